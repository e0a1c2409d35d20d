//! A stream of octets, cut anywhere, is the same messages and the same error.

use dualhome_core::wire::{Framer, Message, NotificationError};

type Seen = (Vec<(u8, Vec<u8>)>, Option<NotificationError>);

/// First octet: whether long messages are fine, and how many octets come at a time.
pub fn run(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let extended = how & 1 != 0;
    let size = usize::from(how >> 1).max(1);
    let whole = seen(&[stream], extended);
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    assert_eq!(whole, seen(&pieces, extended), "cut into pieces of {size}");
    let said: usize = whole
        .0
        .iter()
        .map(|(kind, body)| body.len() + if *kind == 2 { 0 } else { 19 })
        .sum();
    assert!(said <= stream.len(), "more came out than went in");
}

fn seen(pieces: &[&[u8]], extended: bool) -> Seen {
    let mut framer = Framer::new();
    if extended {
        framer.extend();
    }
    let (mut all, mut error): Seen = (Vec::new(), None);
    for piece in pieces {
        let (messages, wrong) = framer.feed(piece);
        assert!(
            error.is_none() || (messages.is_empty() && wrong.is_none()),
            "something comes after an error"
        );
        for message in messages {
            match (message, all.last_mut()) {
                (Message::Updates(more), Some((2, run))) => run.extend(more),
                (Message::Updates(run), _) => all.push((2, run)),
                (Message::Other(kind, body), _) => all.push((kind, body)),
            }
        }
        error = error.or(wrong);
    }
    (all, error)
}
