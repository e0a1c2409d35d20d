//! What is announced: prefixes with the lengths of a default-free table, cut into UPDATEs, each with attributes of its own.
//!
//! The prefixes lie in *zones*. In a zone the senders have a fixed order by the length of their AS paths, no two alike, so that what is right
//! depends on nothing that speakers may break ties by.

use rustc_hash::FxHashMap;

use crate::chance::Chance;
use crate::plan::{Plan, Shape};
use crate::wire;

/// A prefix: its address, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    pub address: u32,
    pub length: u8,
}

/// What one UPDATE announces: `count` prefixes from `start` on, in their generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub sender: u16,
    pub count: u16,
    pub start: u32,
    pub generation: u8,
}

/// All prefixes, and who announces them with what.
#[derive(Debug)]
pub struct Table {
    pub prefixes: Vec<Prefix>,
    pub zone: usize,
    pub senders: usize,
    shape: Shape,
    preferred: Option<usize>,
    seed: u64,
    asn: u32,
    first_asn: u32,
    first_address: u32,
    /// By the identity of the attributes.
    routes: FxHashMap<u64, Route>,
    index: FxHashMap<Prefix, u32>,
}

const ZONE_OF_SAME: usize = 1000;
const LARGEST_UPDATE: usize = 60;
/// Not announced on the Internet (RFC 6890).
const SPECIAL: [(u32, u8); 10] = [
    (0x0a00_0000, 8),
    (0x6440_0000, 10),
    (0x7f00_0000, 8),
    (0xa9fe_0000, 16),
    (0xac10_0000, 12),
    (0xc000_0000, 24),
    (0xc000_0200, 24),
    (0xc0a8_0000, 16),
    (0xc612_0000, 15),
    (0xcb00_7100, 24),
];
/// Of 1,000 prefixes, so many have this length; the rest are /24.
const LENGTHS: [(u8, u32); 8] = [(23, 100), (22, 110), (21, 50), (20, 50), (19, 30), (18, 15), (17, 8), (16, 8)];

impl Table {
    /// The table of a plan.
    pub fn new(plan: &Plan) -> Result<Self, String> {
        let zones_prefixes = match plan.table {
            Shape::Disjoint => plan.prefixes * plan.senders,
            Shape::Same => plan.prefixes,
        };
        let prefixes = prefixes(zones_prefixes, plan.seed)?;
        let zone = match plan.table {
            Shape::Disjoint => plan.prefixes,
            Shape::Same => ZONE_OF_SAME.min(plan.prefixes),
        };
        let index = prefixes
            .iter()
            .enumerate()
            .map(|(number, prefix)| (*prefix, number as u32))
            .collect();
        Ok(Self {
            prefixes,
            zone,
            senders: plan.senders,
            shape: plan.table,
            preferred: plan.preferred,
            seed: plan.seed,
            asn: plan.asn,
            first_asn: plan.first_asn,
            first_address: u32::from(plan.first_address),
            routes: FxHashMap::default(),
            index,
        })
    }

    pub fn zones(&self) -> usize {
        self.prefixes.len().div_ceil(self.zone)
    }

    /// The senders of a zone, the best path's first.
    pub fn order(&self, zone: usize) -> impl Iterator<Item = usize> {
        let (first, count) = match self.shape {
            Shape::Disjoint => (zone, 1),
            Shape::Same => (self.preferred.unwrap_or(zone % self.senders), self.senders),
        };
        let senders = self.senders;
        (0..count).map(move |rank| (first + rank) % senders)
    }

    /// Where a sender stands in a zone's order, if it announces anything there.
    pub fn rank(&self, sender: usize, zone: usize) -> Option<u8> {
        self.order(zone).position(|each| each == sender).map(|rank| rank as u8)
    }

    /// All that a sender announces at first, as UPDATEs in the order of their sending.
    pub fn announce(&mut self, sender: usize) -> Vec<u8> {
        let mut chance = Chance::new(&[self.seed, 1, sender as u64]);
        let mut routes = Vec::new();
        for zone in (0..self.zones()).filter(|zone| self.rank(sender, *zone).is_some()) {
            let end = self.prefixes.len().min((zone + 1) * self.zone);
            let mut start = zone * self.zone;
            while start < end {
                let mut count = 1;
                while count < LARGEST_UPDATE && chance.often(818) {
                    count += 1; // 5.5 in the mean
                }
                let count = count.min(end - start);
                routes.push(Route {
                    sender: sender as u16,
                    count: count as u16,
                    start: start as u32,
                    generation: 0,
                });
                start += count;
            }
        }
        chance.shuffle(&mut routes);
        let mut out = Vec::with_capacity(routes.len() * 110);
        for route in routes {
            self.update(route, &mut out);
        }
        out
    }

    /// Append the UPDATE of a route, and know it again from now on.
    pub fn update(&mut self, route: Route, out: &mut Vec<u8>) {
        let zone = route.start as usize / self.zone;
        let rank = self.rank(usize::from(route.sender), zone).expect("a sender announces what it has");
        for attempt in 0.. {
            let which = u64::from(route.start) << 32 | u64::from(route.count) << 16 | u64::from(route.generation);
            let words = [self.seed, 2, u64::from(route.sender), which, attempt];
            let made = self.attributes(&mut Chance::new(&words), route, rank);
            let known = self.routes.get(&made.identity);
            if known.is_none_or(|known| *known == route) {
                self.routes.insert(made.identity, route);
                let nlri = &self.prefixes[route.start as usize..][..usize::from(route.count)];
                wire::announce(&made.octets, nlri, out);
                return;
            }
        }
    }

    /// What was announced with these attributes.
    pub fn route(&self, identity: u64) -> Option<Route> {
        self.routes.get(&identity).copied()
    }

    /// A sender's own address.
    pub fn next_hop(&self, sender: u16) -> u32 {
        self.first_address + u32::from(sender)
    }

    /// The number of a prefix.
    pub fn number(&self, prefix: Prefix) -> Option<usize> {
        self.index.get(&prefix).map(|number| *number as usize)
    }

    fn attributes(&self, chance: &mut Chance, route: Route, rank: u8) -> wire::Attributes {
        let sender = u32::from(route.sender);
        let length = match self.shape {
            Shape::Same => 2 + usize::from(rank),
            Shape::Disjoint => 2 + (chance.below(4) + chance.below(4) + chance.below(4)) as usize,
        };
        let mut path = vec![self.first_asn + sender];
        while path.len() < length {
            path.push(1000 + chance.below(62_000)); // what is private or reserved lies above
        }
        path.iter_mut()
            .skip(1)
            .filter(|asn| **asn == self.asn || **asn == 23_456)
            .for_each(|asn| *asn = 999);
        let med = chance.often(300).then(|| chance.below(1000));
        let mut communities = Vec::new();
        if chance.often(750) {
            communities = (0..=chance.below(6))
                .map(|_| (1000 + chance.below(60_000)) << 16 | chance.below(60_000))
                .collect();
            communities.sort_unstable(); // there are speakers that would sort them
            communities.dedup();
        }
        let mut large = Vec::new();
        if chance.often(150) {
            large = vec![[1000 + chance.below(60_000), chance.below(1 << 20), chance.below(1 << 20)]];
        }
        wire::attributes(&path, self.next_hop(route.sender), med, &communities, &large)
    }
}

/// So many different prefixes, in the order of their addresses but for more specific ones, which follow what they are part of.
fn prefixes(count: usize, seed: u64) -> Result<Vec<Prefix>, String> {
    let mut chance = Chance::new(&[seed, 3]);
    let mut out = Vec::with_capacity(count + 4);
    let mut at: u64 = 0x0100_0000;
    while out.len() < count {
        let length = length(&mut chance);
        let size = 1u64 << (32 - length);
        at = at.next_multiple_of(size);
        if let Some((network, bits)) = SPECIAL.iter().find(|(network, bits)| overlap(*network, *bits, at as u32, length)) {
            at = u64::from(*network) + (1 << (32 - bits));
            continue;
        }
        if at + size > 0xe000_0000 {
            return Err(format!("there is no room for {count} prefixes, but for {}", out.len()));
        }
        out.push(Prefix {
            address: at as u32,
            length,
        });
        if length <= 22 && chance.often(250) {
            let inside = (0..4).map(|part| Prefix {
                address: at as u32 + (part << 8),
                length: 24,
            });
            out.extend(inside.filter(|_| chance.often(500)));
        }
        at += size * if chance.often(60) { 2 } else { 1 };
    }
    out.truncate(count);
    Ok(out)
}

fn length(chance: &mut Chance) -> u8 {
    let mut drawn = chance.below(1000);
    for (length, share) in LENGTHS {
        if drawn < share {
            return length;
        }
        drawn -= share;
    }
    24
}

fn overlap(a: u32, a_length: u8, b: u32, b_length: u8) -> bool {
    let mask = u32::MAX << (32 - a_length.min(b_length));
    a & mask == b & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn table(shape: &str, senders: usize, prefixes: usize) -> Table {
        let text = format!(
            r#"{{"to": "198.18.0.1:1790", "first_address": "198.18.1.1", "asn": 65000, "first_asn": 100001,
                 "senders": {senders}, "prefixes": {prefixes}, "table": "{shape}"}}"#
        );
        Table::new(&Plan::read(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_million_prefixes_are_different_and_have_no_bits_behind_their_length() {
        let made = prefixes(1_000_000, 1).unwrap();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1_000_000);
        assert!(made.iter().all(|each| each.length == 32 || each.address << each.length == 0));
        let most = made.iter().filter(|each| each.length == 24).count();
        assert!((550_000..750_000).contains(&most), "{most}");
    }

    #[test]
    fn no_prefix_is_a_special_one() {
        for each in prefixes(200_000, 2).unwrap() {
            assert!(
                SPECIAL
                    .iter()
                    .all(|(network, bits)| !overlap(*network, *bits, each.address, each.length)),
                "{each:?}"
            );
        }
    }

    #[test]
    fn every_sender_announces_each_of_its_prefixes_once_with_attributes_that_are_told_apart() {
        for (shape, prefixes) in [("disjoint", 3000), ("same", 3000), ("disjoint", 70_000)] {
            let mut table = table(shape, 4, prefixes);
            for sender in 0..4 {
                let stream = table.announce(sender);
                let mut seen = HashSet::new();
                let mut rest = &stream[..];
                while !rest.is_empty() {
                    let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
                    let update = wire::update(&rest[wire::HEADER..length], 65000).unwrap();
                    let route = table.route(update.identity).unwrap();
                    assert_eq!(usize::from(route.sender), sender);
                    assert_eq!(update.next_hop, Some(0xc612_0101 + sender as u32));
                    for (offset, prefix) in wire::Nlri(update.nlri).enumerate() {
                        assert_eq!(prefix.unwrap(), table.prefixes[route.start as usize + offset]);
                        assert!(seen.insert(route.start as usize + offset));
                    }
                    rest = &rest[length..];
                }
                assert_eq!(seen.len(), prefixes);
            }
        }
    }

    #[test]
    fn each_sender_is_best_in_its_share_of_the_zones_and_the_preferred_one_in_all() {
        let mut table = table("same", 3, 3000);
        assert_eq!(
            (0..3).map(|zone| table.order(zone).collect::<Vec<_>>()).collect::<Vec<_>>(),
            [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        );
        table.preferred = Some(1);
        assert_eq!((0..3).map(|zone| table.rank(1, zone)).collect::<Vec<_>>(), [Some(0); 3]);
    }
}
