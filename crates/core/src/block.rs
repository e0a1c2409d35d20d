//! Path attributes as the RIBs hold them: octets in the form in which they go out, with what a decision asks for beside them.
//!
//! Equal blocks have one number, so that comparing two is comparing numbers, and holding one costs nothing. `Attributes` is the form in which they are
//! changed: `Blocks::attributes` and `Blocks::of` go from one to the other.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustc_hash::FxHashMap;

use crate::attributes::{AsPath, Attributes, NO_ADVERTISE, NO_EXPORT, NO_EXPORT_SUBCONFED, Origin, Segment};
use crate::index::Index;
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
    /// ONLY_TO_CUSTOMER (RFC 9234), or attributes that we don't know.
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
                | flag(has::OTHERS, !a.unknown.is_empty() || a.only_to_customer.is_some())
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

/// The number of a block of path attributes in its `Blocks`. It stands for the same block as long as somebody names it in `Blocks::sweep`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Block(u32);

impl Block {
    /// For tables by block: below the greatest number of blocks that there ever were at a time.
    pub fn number(self) -> u32 {
        self.0
    }
}

#[derive(Debug)]
struct Stored {
    head: Head,
    hash: u32,
    /// Where its octets are, in units of `UNIT`; `RICH` as length for a block that octets can't say.
    start: u32,
    length: u32,
}

/// Octets of blocks begin at multiples of this, so that a place of 32 bits is enough for 32 GiB.
const UNIT: usize = 8;
const RICH: u32 = u32::MAX;
const FREE: u32 = u32::MAX - 1;

/// Gives equal blocks one number. What nobody names any more goes when its owner sweeps.
#[derive(Default)]
pub struct Blocks {
    all: Vec<Stored>,
    octets: Vec<u8>,
    /// An attribute of more than 65535 octets, AS number 0.
    rich: FxHashMap<u32, Arc<Attributes>>,
    free: Vec<u32>,
    index: Index,
    hasher: RandomState,
    sweep_at: usize,
    sweep_at_octets: usize,
}

impl Blocks {
    /// Below this number there is no need to sweep.
    const SMALL: usize = 4096;
    /// Nor below so many octets.
    const SMALL_OCTETS: usize = 16 << 20;

    /// None.
    pub fn new() -> Self {
        Self {
            sweep_at: Self::SMALL,
            sweep_at_octets: Self::SMALL_OCTETS,
            ..Self::default()
        }
    }

    /// What is asked of a block most.
    pub fn head(&self, block: Block) -> &Head {
        &self.all[block.0 as usize].head
    }

    /// All attributes but MP_REACH_NLRI as they go out to an internal peer of four-octet AS numbers, by type code; None where no message can hold them.
    pub fn octets(&self, block: Block) -> Option<&[u8]> {
        let stored = &self.all[block.0 as usize];
        (stored.length != RICH).then(|| self.octets_of(stored))
    }

    fn octets_of(&self, stored: &Stored) -> &[u8] {
        let start = stored.start as usize * UNIT;
        &self.octets[start..start + stored.length as usize]
    }

    /// As they are changed and matched.
    pub fn attributes(&self, block: Block) -> Arc<Attributes> {
        let stored = &self.all[block.0 as usize];
        match self.rich.get(&block.0) {
            Some(attributes) if stored.length == RICH => Arc::clone(attributes),
            _ => Arc::new(read_block(self.octets_of(stored), stored.head.next_hop)),
        }
    }

    /// The block of these attributes, which are normal.
    pub fn of(&mut self, attributes: &Attributes) -> Block {
        match write_block(attributes) {
            Some(octets) => self.of_octets(&octets, Head::of(attributes)),
            None => self.of_rich(attributes),
        }
    }

    fn of_rich(&mut self, attributes: &Attributes) -> Block {
        if let Some((number, _)) = self.rich.iter().find(|(_, known)| ***known == *attributes) {
            return Block(*number);
        }
        let number = self.add(Stored {
            head: Head::of(attributes),
            hash: 0,
            start: 0,
            length: RICH,
        });
        self.rich.insert(number, Arc::new(attributes.clone()));
        Block(number)
    }

    /// The block of octets that are such as `Blocks::octets` gives, and say what the head says.
    pub fn of_octets(&mut self, octets: &[u8], head: Head) -> Block {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(octets);
        let hash = (hasher.finish() >> 32) as u32;
        let is_it = |number: u32| {
            let stored = &self.all[number as usize];
            self.octets_of(stored) == octets && stored.head.next_hop == head.next_hop
        };
        if let Some(number) = self.index.find(hash, is_it) {
            return Block(number);
        }
        let number = self.add(Stored {
            head,
            hash,
            start: u32::try_from(self.octets.len() / UNIT).expect("under 32 GiB of attributes"),
            length: octets.len() as u32,
        });
        append(&mut self.octets, octets);
        self.index.insert(hash, number);
        Block(number)
    }

    fn add(&mut self, stored: Stored) -> u32 {
        if let Some(number) = self.free.pop() {
            self.all[number as usize] = stored;
            return number;
        }
        self.all.push(stored);
        self.all.len() as u32 - 1
    }

    /// Octets of memory that a block takes.
    pub fn memory(&self, block: Block) -> u64 {
        let stored = &self.all[block.0 as usize];
        let octets = match self.rich.get(&block.0) {
            Some(attributes) if stored.length == RICH => 4 * attributes.as_path.length() + size_of::<Attributes>(),
            _ => (stored.length as usize).next_multiple_of(UNIT) + Index::ENTRY,
        };
        (size_of::<Stored>() + octets) as u64
    }

    /// Whether so many blocks came that a sweep is worth its while.
    pub fn wants_sweep(&self) -> bool {
        self.len() >= self.sweep_at || self.octets.len() >= self.sweep_at_octets
    }

    /// Forget all blocks but those that are named.
    pub fn sweep(&mut self, name_all: impl FnOnce(&mut Marks)) {
        let mut marks = Marks(vec![0; self.all.len().div_ceil(64)]);
        name_all(&mut marks);
        for number in 0..self.all.len() as u32 {
            let stored = &mut self.all[number as usize];
            if marks.has(number) || stored.length == FREE {
                continue;
            }
            if stored.length == RICH {
                self.rich.remove(&number);
            } else {
                self.index.remove(stored.hash, number);
            }
            stored.length = FREE;
            self.free.push(number);
        }
        let kept = self.all.iter().filter(|s| s.length < FREE);
        let live: usize = kept.map(|s| (s.length as usize).next_multiple_of(UNIT)).sum();
        if live < self.octets.len() / 4 * 3 {
            self.compact(live);
        }
        self.sweep_at = self.len() + (self.len() / 2).max(Self::SMALL);
        self.sweep_at_octets = self.octets.len() + (live / 2).max(Self::SMALL_OCTETS);
    }

    fn compact(&mut self, live: usize) {
        let old = std::mem::replace(&mut self.octets, Vec::with_capacity(live));
        for stored in self.all.iter_mut().filter(|s| s.length < FREE) {
            let start = stored.start as usize * UNIT;
            stored.start = (self.octets.len() / UNIT) as u32;
            append(&mut self.octets, &old[start..][..stored.length as usize]);
        }
        if self.index.is_empty() && self.rich.is_empty() {
            (self.all, self.free, self.index) = (Vec::new(), Vec::new(), Index::default());
        }
    }

    /// Number of blocks it keeps, unused ones included.
    pub fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Put octets behind others, and make room for the next ones to begin at a multiple of `UNIT`.
fn append(all: &mut Vec<u8>, octets: &[u8]) {
    all.extend_from_slice(octets);
    all.resize(all.len().next_multiple_of(UNIT), 0);
}

/// Blocks that are in use.
#[derive(Debug)]
pub struct Marks(Vec<u64>);

impl Marks {
    /// This one is.
    pub fn name(&mut self, block: Block) {
        self.0[block.0 as usize / 64] |= 1 << (block.0 % 64);
    }

    fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] & 1 << (number % 64) != 0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Blocks {
    /// Number of distinct blocks among those that are named.
    pub fn count(&self, name_all: impl FnOnce(&mut Marks)) -> usize {
        let mut marks = Marks(vec![0; self.all.len().div_ceil(64)]);
        name_all(&mut marks);
        marks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::parse_as_path;

    #[test]
    fn equal_blocks_are_one_and_unused_ones_go() {
        let mut blocks = Blocks::new();
        let next_hop = IpAddr::from([10, 0, 0, 1]);
        let a = blocks.of(&Attributes::new(next_hop));
        assert_eq!(a, blocks.of(&Attributes::new(next_hop)));
        let with_med = |med| Attributes {
            med: Some(med),
            ..Attributes::new(next_hop)
        };
        let all: Vec<Block> = (0..20_000).map(|med| blocks.of(&with_med(med))).collect();
        assert!(blocks.wants_sweep() && blocks.len() == 20_001);
        blocks.sweep(|marks| [a, all[7]].into_iter().for_each(|block| marks.name(block)));
        assert!(!blocks.wants_sweep() && blocks.len() == 2);
        assert_eq!((&*blocks.attributes(all[7]), blocks.of(&with_med(7))), (&with_med(7), all[7]));
        assert_eq!(*blocks.attributes(a), Attributes::new(next_hop));
        let again = blocks.of(&with_med(8));
        assert_eq!((*blocks.attributes(again)).clone(), with_med(8));
        blocks.sweep(|_| {});
        assert!(blocks.is_empty());
    }

    #[test]
    fn attributes_go_in_and_come_out() {
        let mut blocks = Blocks::new();
        for path in ["", "7", "7 8 7", "7 {8,9}", "0 7"] {
            for next_hop in ["10.0.0.1", "fd00::1"] {
                let mut attributes = Attributes {
                    as_path: parse_as_path(path).unwrap(),
                    communities: vec![NO_EXPORT, 7],
                    ..Attributes::new(next_hop.parse().unwrap())
                };
                attributes.normalize();
                let block = blocks.of(&attributes);
                assert_eq!(*blocks.attributes(block), attributes);
                assert_eq!(*blocks.head(block), Head::of(&attributes));
                assert_eq!(blocks.octets(block).is_none(), path == "0 7");
                assert_eq!(block, blocks.of(&attributes));
            }
        }
    }

    #[test]
    fn blocks_that_differ_in_the_next_hop_alone_differ() {
        let mut blocks = Blocks::new();
        let [a, b] = ["fd00::1", "fd00::2"].map(|next_hop| blocks.of(&Attributes::new(next_hop.parse().unwrap())));
        assert_ne!(a, b);
    }

    #[test]
    fn paths_of_more_octets_than_an_attribute_holds_are_kept() {
        let attributes = Attributes {
            as_path: vec![Segment::Sequence((1..=20_000).collect())],
            ..Attributes::new(IpAddr::from([10, 0, 0, 1]))
        };
        let mut blocks = Blocks::new();
        let block = blocks.of(&attributes);
        assert!(blocks.octets(block).is_none());
        assert_eq!((&*blocks.attributes(block), blocks.of(&attributes)), (&attributes, block));
        blocks.sweep(|_| {});
        assert!(blocks.is_empty());
    }

    #[test]
    fn a_sequence_is_found_in_the_octets() {
        let mut blocks = Blocks::new();
        for (path, found) in [
            ("", Some(vec![])),
            ("1 2 3", Some(vec![1, 2, 3])),
            ("1 {2}", None),
            (
                &(1..=100).map(|n| n.to_string()).collect::<Vec<_>>().join(" "),
                Some((1..=100).collect()),
            ),
        ] {
            let attributes = Attributes {
                as_path: parse_as_path(path).unwrap(),
                ..Attributes::new(IpAddr::from([10, 0, 0, 1]))
            };
            let block = blocks.of(&attributes);
            let asns = sequence_of(blocks.octets(block).unwrap());
            assert_eq!(
                asns.map(|asns| asns.iter().map(|a| u32::from_be_bytes(*a)).collect::<Vec<_>>()),
                found,
                "{path}"
            );
        }
    }
}
