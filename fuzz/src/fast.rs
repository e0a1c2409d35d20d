//! What the reader of common UPDATEs takes says the same as `Update::parse` says of it, and is one block with it.

use dualhome_core::block::{Blocks, Head};
use dualhome_core::prefix::Prefix;
use dualhome_core::wire::{ParseOptions, Update, fast};

/// First octet: whether the peer is external; the others are the body.
pub fn run(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let ebgp = how & 1 == 0;
    let mut scratch = Vec::new();
    let Some(read) = fast::read(body, ebgp, &mut scratch) else { return };
    let options = ParseOptions {
        ebgp,
        rejects_sets: true,
        ..ParseOptions::ALL
    };
    let slow = Update::parse(body, options).expect("what the fast one reads is fine");
    assert_eq!(keys(read.withdrawn), slow.withdrawn);
    assert_eq!(keys(read.announced), slow.announced);
    assert_eq!((&slow.treat_as_withdraw, slow.end_of_rib), (&None, None));
    assert!(slow.discarded.is_empty() && slow.more.is_none());
    assert_eq!(read.attributes.is_some(), slow.attributes.is_some());
    let (Some((octets, head)), Some(attributes)) = (read.attributes, slow.attributes) else {
        return;
    };
    let mut blocks = Blocks::new();
    let first = blocks.of_octets(octets, head.clone());
    assert_eq!(blocks.of(&attributes), first, "two blocks of equal attributes");
    assert_eq!((blocks.head(first), &head), (&head, &Head::of(&attributes)));
    assert_eq!(*blocks.attributes(first), attributes);
    let mut blocks = Blocks::new();
    let first = blocks.of(&attributes);
    assert_eq!(blocks.octets(first), Some(octets));
    assert_eq!(
        blocks.of_octets(octets, head),
        first,
        "two blocks of equal attributes, in the other order"
    );
}

fn keys(octets: &[u8]) -> Vec<Prefix> {
    let mut compact = Vec::new();
    fast::keys(octets, &mut compact);
    compact.iter().map(|key| Prefix::new(4, u128::from(key >> 8), *key as u8)).collect()
}
