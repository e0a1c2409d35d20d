//! Reading the UPDATE that nearly all are: four-octet AS numbers, IPv4 prefixes in the message itself, attributes of the common types as their RFCs
//! would have them, by type code. Its attributes are taken as they stand, octet for octet.
//!
//! Whatever is not so in the least is left to `Update::parse`, which knows all and judges defects; both say the same of what both read.

use std::net::Ipv4Addr;

use super::update::may_be_host;
use super::verdict::{OPTIONAL, TRANSITIVE, kind};
use crate::attributes::{NO_ADVERTISE, NO_EXPORT_SUBCONFED, Origin};
use crate::block::{DEFAULT_LOCAL_PREFERENCE, Head, has};

const WELL_KNOWN: u8 = TRANSITIVE;
const BOTH: u8 = OPTIONAL | TRANSITIVE;
const AS_SEQUENCE: u8 = 2;

/// What the message says.
pub struct Fast<'a> {
    /// Withdrawn prefixes, well-formed.
    pub withdrawn: &'a [u8],
    /// Announced prefixes, well-formed; none without attributes.
    pub announced: &'a [u8],
    /// Attributes as `Block::octets` has them, and what they say.
    pub attributes: Option<(&'a [u8], Head)>,
}

/// Read an UPDATE's body of a peer of four-octet AS numbers; None where it is for `Update::parse`. `ebgp`: the peer is external.
///
/// `scratch` is for attributes that must be brought into order.
pub fn read<'a>(body: &'a [u8], ebgp: bool, scratch: &'a mut Vec<u8>) -> Option<Fast<'a>> {
    let (length, rest) = body.split_first_chunk()?;
    let (withdrawn, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk()?;
    let (attributes, announced) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    if !is_sound(withdrawn) || !is_sound(announced) || attributes.is_empty() != announced.is_empty() {
        return None;
    }
    if attributes.is_empty() {
        return (!withdrawn.is_empty()).then_some(Fast {
            withdrawn,
            announced,
            attributes: None,
        });
    }
    let mut walk = Walk::default();
    walk.all(attributes)?;
    if walk.seen & NEEDED != NEEDED || (ebgp && walk.head.flags & has::INTERNAL != 0) {
        return None;
    }
    let octets = match walk.unordered {
        None => attributes,
        Some((from, to)) => ordered(attributes, from, to, scratch)?,
    };
    Some(Fast {
        withdrawn,
        announced,
        attributes: Some((octets, walk.head)),
    })
}

/// Whether the octets are IPv4 prefixes to their end.
fn is_sound(octets: &[u8]) -> bool {
    let mut at = 0;
    while let Some(length) = octets.get(at) {
        if *length > 32 {
            return false;
        }
        at += 1 + usize::from(length.div_ceil(8));
    }
    at == octets.len()
}

/// IPv4 prefixes as keys of `Loc`: address, then length in the lowest octet. For octets that are sound.
pub fn keys(octets: &[u8], out: &mut Vec<u64>) {
    let mut rest = octets;
    while let [length, after @ ..] = rest {
        let count = usize::from(length.div_ceil(8));
        // Four octets are read where there are as many, whatever belongs to this prefix: the mask takes the others away.
        let address = match after.first_chunk::<4>() {
            Some(four) => u32::from_be_bytes(*four),
            None => after
                .iter()
                .take(count)
                .zip([24, 16, 8, 0])
                .fold(0, |sum, (octet, shift)| sum | u32::from(*octet) << shift),
        };
        let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
        out.push(u64::from(address & mask) << 8 | u64::from(*length));
        rest = after.get(count..).unwrap_or_default();
    }
}

/// The types that an announcement must have, as bits.
const NEEDED: u64 = 1 << kind::ORIGIN | 1 << kind::AS_PATH | 1 << kind::NEXT_HOP;

struct Walk {
    head: Head,
    /// Types up to 63 that were there, as bits.
    seen: u64,
    /// Where COMMUNITIES stand that are not ascending.
    unordered: Option<(usize, usize)>,
}

impl Default for Walk {
    fn default() -> Self {
        let head = Head {
            next_hop: Ipv4Addr::UNSPECIFIED.into(),
            origin: Origin::Igp,
            flags: 0,
            path_length: 0,
            cluster_length: 0,
            neighbor_as: 0,
            med: 0,
            local_preference: DEFAULT_LOCAL_PREFERENCE,
            originator: 0,
        };
        Self {
            head,
            seen: 0,
            unordered: None,
        }
    }
}

impl Walk {
    fn all(&mut self, attributes: &[u8]) -> Option<()> {
        let (mut rest, mut last) = (attributes, 0);
        while let [flags, kind, length, after @ ..] = rest {
            let (value, after) = after.split_at_checked(usize::from(*length))?;
            if *kind <= last || *kind > kind::LARGE_COMMUNITIES {
                return None;
            }
            self.one(*flags, *kind, value, attributes.len() - after.len() - value.len())?;
            last = *kind;
            self.seen |= 1 << kind;
            rest = after;
        }
        rest.is_empty().then_some(())
    }

    fn one(&mut self, flags: u8, kind: u8, value: &[u8], at: usize) -> Option<()> {
        let head = &mut self.head;
        match (kind, flags) {
            (kind::ORIGIN, WELL_KNOWN) => {
                let [octet] = value else { return None };
                head.origin = Origin::from_octet(*octet)?;
            }
            (kind::AS_PATH, WELL_KNOWN) => self.as_path(value)?,
            (kind::NEXT_HOP, WELL_KNOWN) => {
                let next_hop = Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into();
                if !may_be_host(next_hop) {
                    return None;
                }
                head.next_hop = next_hop;
            }
            (kind::MED, OPTIONAL) => {
                head.med = u32::from_be_bytes(value.try_into().ok()?);
                head.flags |= has::MED;
            }
            (kind::LOCAL_PREF, WELL_KNOWN) => {
                head.local_preference = u32::from_be_bytes(value.try_into().ok()?);
                head.flags |= has::INTERNAL;
            }
            (kind::ATOMIC_AGGREGATE, WELL_KNOWN) if value.is_empty() => {}
            (kind::AGGREGATOR, BOTH) if value.len() == 8 && value[..4] != [0; 4] => {}
            (kind::COMMUNITIES, BOTH) => self.communities(value, at)?,
            (kind::EXTENDED_COMMUNITIES, BOTH) if is_ascending::<8>(value) => {}
            (kind::LARGE_COMMUNITIES, BOTH) if is_ascending::<12>(value) => {}
            _ => return None,
        }
        Some(())
    }

    fn as_path(&mut self, value: &[u8]) -> Option<()> {
        if value.is_empty() {
            return Some(());
        }
        let [AS_SEQUENCE, count, asns @ ..] = value else { return None };
        let (asns, rest) = asns.as_chunks::<4>();
        if *count == 0 || asns.len() != usize::from(*count) || !rest.is_empty() || asns.contains(&[0; 4]) {
            return None;
        }
        self.head.path_length = u16::from(*count);
        self.head.neighbor_as = u32::from_be_bytes(asns[0]);
        Some(())
    }

    fn communities(&mut self, value: &[u8], at: usize) -> Option<()> {
        let (all, rest) = value.as_chunks::<4>();
        if all.is_empty() || !rest.is_empty() {
            return None;
        }
        // The three of RFC 1997 follow each other: NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED.
        const FIRST: u32 = NO_ADVERTISE - 1;
        let is_well_known = |c: &[u8; 4]| (FIRST..=NO_EXPORT_SUBCONFED).contains(&u32::from_be_bytes(*c));
        if all.iter().any(is_well_known) {
            self.head.flags |= has::WELL_KNOWN;
        }
        if !all.is_sorted_by(|a, b| a < b) {
            self.unordered = Some((at, at + value.len()));
        }
        Some(())
    }
}

/// Whether it is numbers of N octets each, one at least, each greater than the one before.
fn is_ascending<const N: usize>(value: &[u8]) -> bool {
    let (all, rest) = value.as_chunks::<N>();
    !all.is_empty() && rest.is_empty() && all.is_sorted_by(|a, b| a < b)
}

/// The attributes with these communities ascending; None where one is there twice.
fn ordered<'a>(attributes: &[u8], from: usize, to: usize, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    scratch.clear();
    scratch.extend_from_slice(attributes);
    let (communities, _) = scratch.get_mut(from..to)?.as_chunks_mut::<4>();
    communities.sort_unstable();
    if !communities.is_sorted_by(|a, b| a < b) {
        return None;
    }
    Some(scratch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::Blocks;
    use crate::prefix::Prefix;
    use crate::wire::{ParseOptions, Update, nlri};

    /// Whether both ways of reading say the same; whether the fast one read it at all.
    fn compare(body: &[u8], ebgp: bool) -> bool {
        let mut scratch = Vec::new();
        let Some(fast) = read(body, ebgp, &mut scratch) else { return false };
        let slow = Update::parse(
            body,
            ParseOptions {
                ebgp,
                rejects_sets: true,
                ..ParseOptions::ALL
            },
        )
        .expect("what the fast one reads is fine");
        let prefixes = |octets: &[u8]| {
            let (mut all, mut compact) = (Vec::new(), Vec::new());
            nlri::read(octets, 4, &mut all).unwrap();
            keys(octets, &mut compact);
            let again: Vec<Prefix> = compact.iter().map(|key| Prefix::new(4, u128::from(key >> 8), *key as u8)).collect();
            assert_eq!(all, again);
            all
        };
        assert_eq!(prefixes(fast.withdrawn), slow.withdrawn);
        assert_eq!(prefixes(fast.announced), slow.announced);
        assert_eq!((&slow.treat_as_withdraw, slow.end_of_rib), (&None, None));
        assert!(slow.discarded.is_empty() && slow.more.is_none());
        let mut blocks = Blocks::new();
        let slow = slow.attributes.map(|attributes| blocks.of(&attributes));
        let fast = fast.attributes.map(|(octets, head)| {
            let block = blocks.of_octets(octets, head.clone());
            assert_eq!(*blocks.head(block), head);
            block
        });
        assert_eq!(fast.is_some(), slow.is_some());
        if let (Some(fast), Some(slow)) = (fast, slow) {
            assert_eq!(fast, slow);
            assert_eq!(*blocks.head(fast), crate::block::Head::of(&blocks.attributes(fast)));
        }
        true
    }

    fn attribute() -> impl Strategy<Value = Vec<u8>> {
        let octets = |n: usize| prop::collection::vec(0u8..4, n..=n);
        let numbers = |size: usize| (1usize..4).prop_flat_map(move |n| octets(n * size));
        let with = |flags: u8, kind: u8, value: Vec<u8>| [vec![flags, kind, value.len() as u8], value].concat();
        prop_oneof![
            (0u8..4).prop_map(move |o| with(0x40, 1, vec![o])),
            (0u8..3, 1u8..3, prop::collection::vec(any::<u8>(), 8)).prop_map(move |(kind, n, asns)| with(
                0x40,
                2,
                [vec![kind, n], asns[..usize::from(n) * 4].to_vec()].concat()
            )),
            Just(vec![0x40, 2, 0]),
            prop::collection::vec(any::<u8>(), 4).prop_map(move |a| with(0x40, 3, a)),
            octets(4).prop_map(move |v| with(0x80, 4, v)),
            octets(4).prop_map(move |v| with(0x40, 5, v)),
            Just(vec![0x40, 6, 0]),
            octets(8).prop_map(move |v| with(0xC0, 7, v)),
            numbers(4).prop_map(move |v| with(0xC0, 8, v)),
            Just(vec![0xC0, 8, 8, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 1]),
            numbers(8).prop_map(move |v| with(0xC0, 16, v)),
            numbers(12).prop_map(move |v| with(0xC0, 32, v)),
            prop::collection::vec(any::<u8>(), 0..5).prop_map(move |v| with(0xC0, 99, v)),
        ]
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let prefix = (0u8..34, prop::collection::vec(any::<u8>(), 4))
            .prop_map(|(length, octets)| [vec![length], octets[..usize::from(length.div_ceil(8)).min(4)].to_vec()].concat());
        let nlri = prop::collection::vec(prefix, 0..4).prop_map(|all| all.concat());
        let list = prop::collection::vec(attribute(), 0..6).prop_map(|mut all| {
            all.insert(0, vec![0x40, 1, 1, 0]);
            all.push(vec![0x40, 2, 6, 2, 1, 0, 0, 0, 9]);
            all.push(vec![0x40, 3, 4, 10, 0, 0, 1]);
            all.sort_by_key(|a| a[1]);
            all.dedup_by_key(|a| a[1]);
            all.concat()
        });
        (nlri.clone(), list, nlri).prop_map(|(withdrawn, list, announced)| {
            let size = |part: &[u8]| (part.len() as u16).to_be_bytes().to_vec();
            [size(&withdrawn), withdrawn, size(&list), list, announced].concat()
        })
    }

    #[test]
    fn the_common_message_is_read_fast() {
        let mut body = vec![0, 0, 0, 28, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0, 9, 0x40, 3, 4, 10, 0, 0, 1];
        body.extend([0xC0, 8, 8, 0, 0, 0, 2, 0, 0, 0, 1, 24, 10, 1, 1, 0]);
        body[3] = 31;
        assert!(compare(&body, true) && compare(&body, false));
        assert!(compare(&[0, 4, 24, 10, 1, 1, 0, 0], true));
        assert!(!compare(&[0, 0, 0, 0], true), "End-of-RIB");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn both_ways_of_reading_say_the_same(body in body(), ebgp in any::<bool>(), at in any::<prop::sample::Index>(), flip in prop::option::weighted(0.3, any::<u8>())) {
            let mut body = body;
            if let Some(flip) = flip {
                let at = at.index(body.len());
                body[at] ^= flip;
            }
            compare(&body, ebgp);
        }
    }
}
