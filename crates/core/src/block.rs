//! Path attributes as the RIBs hold them: octets in the form in which they go out, with what a decision asks for beside them.
//!
//! Equal blocks are one in memory, so that comparing two is comparing their addresses. `Attributes` is the form in which they are changed:
//! `Block::attributes` and `Interner::of` go from one to the other.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use triomphe::ThinArc;

use crate::attributes::{AsPath, Attributes, NO_ADVERTISE, NO_EXPORT, NO_EXPORT_SUBCONFED, Origin, Segment};
use crate::wire::encode::write_block;
use crate::wire::update::read_block;

/// LOCAL_PREF of a route that has none.
pub const DEFAULT_LOCAL_PREFERENCE: u32 = 100;

/// What stands in a block, as bits of `Head::flags`.
pub mod has {
    /// LOCAL_PREF, ORIGINATOR_ID or CLUSTER_LIST, which external peers are not told.
    pub const INTERNAL: u8 = 1;
    /// NO_EXPORT, NO_ADVERTISE or NO_EXPORT_SUBCONFED (RFC 1997).
    pub const WELL_KNOWN: u8 = 2;
    /// An AS_SET (RFC 9774).
    pub const SETS: u8 = 4;
    /// ORIGINATOR_ID.
    pub const ORIGINATOR: u8 = 8;
    /// Attributes that we don't know, and those of which roles ask (RFC 9234): whoever judges them reads them all.
    pub const OTHERS: u8 = 16;
    /// A MED.
    pub const MED: u8 = 32;
}

/// What is asked of a block most, read out once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// NEXT_HOP, or the global one of MP_REACH_NLRI.
    pub next_hop: IpAddr,
    /// ORIGIN.
    pub origin: Origin,
    /// Bits of `has`.
    pub flags: u8,
    /// Hops; a set counts 1, 65535 stands for more too.
    pub path_length: u16,
    /// Entries of CLUSTER_LIST; 65535 stands for more too.
    pub cluster_length: u16,
    /// The AS that a path which begins with a sequence came from; 0 for any other path.
    pub neighbor_as: u32,
    /// MED; 0 where there is none (RFC 4271 section 9.1.2.2 c).
    pub med: u32,
    /// LOCAL_PREF, or its default.
    pub local_preference: u32,
    /// ORIGINATOR_ID, where `has::ORIGINATOR` says so.
    pub originator: u32,
}

impl Head {
    /// Of these attributes.
    pub fn of(a: &Attributes) -> Self {
        let flag = |bit: u8, holds: bool| if holds { bit } else { 0 };
        let internal = a.local_preference.is_some() || a.originator_id.is_some() || !a.cluster_list.is_empty();
        let well_known = |c: &u32| matches!(*c, NO_EXPORT | NO_ADVERTISE | NO_EXPORT_SUBCONFED);
        let sets = a.as_path.iter().any(|segment| matches!(segment, Segment::Set(_)));
        Self {
            next_hop: a.next_hop,
            origin: a.origin,
            flags: flag(has::INTERNAL, internal)
                | flag(has::WELL_KNOWN, a.communities.iter().any(well_known))
                | flag(has::SETS, sets)
                | flag(has::ORIGINATOR, a.originator_id.is_some())
                | flag(has::OTHERS, !a.unknown.is_empty())
                | flag(has::MED, a.med.is_some()),
            path_length: a.as_path.length().try_into().unwrap_or(u16::MAX),
            cluster_length: a.cluster_list.len().try_into().unwrap_or(u16::MAX),
            neighbor_as: a.as_path.neighbor_as().unwrap_or(0),
            med: a.med.unwrap_or(0),
            local_preference: a.local_preference.unwrap_or(DEFAULT_LOCAL_PREFERENCE),
            originator: a.originator_id.map_or(0, u32::from),
        }
    }

    /// Whether any of these bits of `has` is set.
    pub fn has(&self, bits: u8) -> bool {
        self.flags & bits != 0
    }
}

#[derive(Debug)]
struct Inner {
    head: Head,
    hash: u64,
    /// What octets can't say: an attribute of more than 65535 octets, AS number 0.
    rich: Option<Arc<Attributes>>,
}

/// One block of path attributes of an `Interner`.
#[derive(Clone, Debug)]
pub struct Block(ThinArc<Inner, u8>);

impl Block {
    /// What is asked most.
    pub fn head(&self) -> &Head {
        &self.0.header.header.head
    }

    /// All attributes but MP_REACH_NLRI as they go out to an internal peer of four-octet AS numbers, by type code; None where no message can hold them.
    pub fn octets(&self) -> Option<&[u8]> {
        match self.0.header.header.rich {
            None => Some(&self.0.slice),
            Some(_) => None,
        }
    }

    /// As they are changed and matched.
    pub fn attributes(&self) -> Arc<Attributes> {
        match &self.0.header.header.rich {
            Some(attributes) => Arc::clone(attributes),
            None => Arc::new(read_block(&self.0.slice, self.head().next_hop)),
        }
    }

    /// Whether both are one block of one interner, and so equal.
    pub fn is(&self, other: &Block) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }

    /// Where it is: as long as somebody holds it, nothing else is there.
    pub fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn users(&self) -> usize {
        ThinArc::strong_count(&self.0) - 1
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

/// The AS numbers of an AS_PATH of one sequence at most, from the block's octets; None for another path.
pub fn sequence_of(octets: &[u8]) -> Option<&[[u8; 4]]> {
    let (flags, length, value) = match octets.get(4..)? {
        [flags, 2, length, value @ ..] if flags & 0x10 == 0 => (flags, usize::from(*length), value),
        [flags, 2, high, low, value @ ..] => (flags, usize::from(u16::from_be_bytes([*high, *low])), value),
        _ => return None,
    };
    debug_assert_eq!(flags & !0x10, 0x40);
    match value.get(..length)? {
        [] => Some(&[]),
        [2, count, asns @ ..] if asns.len() == 4 * usize::from(*count) => Some(asns.as_chunks().0),
        _ => None,
    }
}

/// Gives equal blocks one place in memory, and forgets those that nobody holds any more.
#[derive(Default)]
pub struct Interner {
    blocks: HashTable<Block>,
    hasher: RandomState,
    sweep_at: usize,
}

impl Interner {
    /// Blocks below this number are never swept.
    const SMALL: usize = 1024;

    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared block of these attributes, which are normal.
    pub fn of(&mut self, attributes: &Attributes) -> Block {
        let head = Head::of(attributes);
        match write_block(attributes) {
            Some(octets) => self.block(&octets, head, None),
            None => self.block(&[], head, Some(Arc::new(attributes.clone()))),
        }
    }

    /// The shared block of octets that are such as `Block::octets` gives, and say what the head says.
    pub fn octets(&mut self, octets: &[u8], head: Head) -> Block {
        self.block(octets, head, None)
    }

    fn block(&mut self, octets: &[u8], head: Head, rich: Option<Arc<Attributes>>) -> Block {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(octets);
        let hash = hasher.finish();
        let is_same = |block: &Block| {
            let inner = &block.0.header.header;
            inner.hash == hash && block.0.slice == *octets && inner.head.next_hop == head.next_hop && inner.rich == rich
        };
        if let Some(block) = self.blocks.find(hash, is_same) {
            return block.clone();
        }
        if self.blocks.len() >= self.sweep_at.max(Self::SMALL) {
            self.sweep();
        }
        let block = Block(ThinArc::from_header_and_slice(Inner { head, hash, rich }, octets));
        self.blocks.insert_unique(hash, block.clone(), |block| block.0.header.header.hash);
        block
    }

    /// Forget the blocks that only the interner holds. It does so by itself whenever their number has doubled.
    pub fn sweep(&mut self) {
        self.blocks.retain(|block| block.users() > 0);
        self.sweep_at = self.blocks.len().saturating_mul(2);
        if self.blocks.capacity() > 4 * self.blocks.len() + Self::SMALL {
            self.blocks.shrink_to(self.sweep_at, |block| block.0.header.header.hash);
        }
    }

    /// Number of distinct blocks that somebody holds.
    pub fn live(&self) -> usize {
        self.blocks.iter().filter(|block| block.users() > 0).count()
    }

    /// Number of blocks it keeps, unused ones included.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::parse_as_path;

    #[test]
    fn equal_blocks_are_one_and_unused_ones_go() {
        let mut interner = Interner::new();
        let next_hop = IpAddr::from([10, 0, 0, 1]);
        let a = interner.of(&Attributes::new(next_hop));
        let b = interner.of(&Attributes::new(next_hop));
        assert!(a.is(&b));
        for med in 0..5000 {
            interner.of(&Attributes {
                med: Some(med),
                ..Attributes::new(next_hop)
            });
        }
        assert!(interner.len() <= Interner::SMALL + 1);
        assert_eq!(interner.live(), 1);
        drop((a, b));
        interner.sweep();
        assert!(interner.is_empty());
    }

    #[test]
    fn attributes_go_in_and_come_out() {
        let mut interner = Interner::new();
        for path in ["", "7", "7 8 7", "7 {8,9}", "0 7"] {
            for next_hop in ["10.0.0.1", "fd00::1"] {
                let mut attributes = Attributes {
                    as_path: parse_as_path(path).unwrap(),
                    communities: vec![NO_EXPORT, 7],
                    ..Attributes::new(next_hop.parse().unwrap())
                };
                attributes.normalize();
                let block = interner.of(&attributes);
                assert_eq!(*block.attributes(), attributes);
                assert_eq!(*block.head(), Head::of(&attributes));
                assert_eq!(block.octets().is_none(), path == "0 7");
                assert!(block.is(&interner.of(&attributes)));
            }
        }
    }

    #[test]
    fn blocks_that_differ_in_the_next_hop_alone_differ() {
        let mut interner = Interner::new();
        let [a, b] = ["fd00::1", "fd00::2"].map(|next_hop| interner.of(&Attributes::new(next_hop.parse().unwrap())));
        assert!(!a.is(&b));
    }

    #[test]
    fn paths_of_more_octets_than_an_attribute_holds_are_kept() {
        let attributes = Attributes {
            as_path: vec![Segment::Sequence((1..=20_000).collect())],
            ..Attributes::new(IpAddr::from([10, 0, 0, 1]))
        };
        let block = Interner::new().of(&attributes);
        assert!(block.octets().is_none());
        assert_eq!(*block.attributes(), attributes);
    }

    #[test]
    fn a_sequence_is_found_in_the_octets() {
        let mut interner = Interner::new();
        for (path, found) in [
            ("", Some(vec![])),
            ("1 2 3", Some(vec![1, 2, 3])),
            ("1 {2}", None),
            (&(1..=100).map(|n| n.to_string()).collect::<Vec<_>>().join(" "), Some((1..=100).collect())),
        ] {
            let attributes = Attributes {
                as_path: parse_as_path(path).unwrap(),
                ..Attributes::new(IpAddr::from([10, 0, 0, 1]))
            };
            let block = interner.of(&attributes);
            let asns = sequence_of(block.octets().unwrap());
            assert_eq!(asns.map(|asns| asns.iter().map(|a| u32::from_be_bytes(*a)).collect::<Vec<_>>()), found, "{path}");
        }
    }
}
