//! Questions that come page by page, of whoever reads whole tables beside the sessions: which prefixes come next, and the paths of some as octets.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::loc::{Slot, flag};
use super::{RequestError, Rib, no_peer};
use crate::block::Block;
use crate::prefix::Prefix;

/// Which paths `Rib::blocks` gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// As they were announced, whatever checks and rules made of them; but not those that RFC 7606 withdraws.
    Received,
    /// Those that take part in the decision, as the rules left them.
    Accepted,
}

/// Paths of some prefixes, and the path attributes that they share.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct BlockRows {
    /// Prefix, peer or -1, place in `blocks`; as the prefixes were asked for.
    pub rows: Vec<(Prefix, i32, usize)>,
    /// All attributes but MP_REACH_NLRI, by type code, with four-octet AS numbers; and the next hop.
    pub blocks: Vec<(Vec<u8>, IpAddr)>,
}

impl Rib {
    /// The first prefixes beyond one, sorted: those that a peer announced, refused or not, or that anybody did. Every one is looked at, none is sorted in
    /// vain: a page of thousands costs little more than one of ten.
    pub fn prefixes(&self, peer: Option<u32>, after: Option<Prefix>, limit: usize) -> Result<Vec<Prefix>, RequestError> {
        let beyond = |prefix: &Prefix| after.is_none_or(|after| *prefix > after);
        Ok(match peer {
            None => least(self.loc.ids().map(|id| self.loc.prefix(id)).filter(beyond), limit),
            Some(number) => {
                let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
                least(peer.adj_in.held.iter().map(|id| self.loc.prefix(id)).filter(beyond), limit)
            }
        })
    }

    /// The paths of these prefixes, of one peer or of all, with their attributes as octets. What no message can hold is left out.
    pub fn blocks(&self, stage: Stage, peer: Option<u32>, prefixes: &[Prefix]) -> Result<BlockRows, RequestError> {
        if let Some(number) = peer.filter(|number| !self.peers.contains_key(number)) {
            return Err(no_peer(number));
        }
        let mut found = BlockRows::default();
        let mut places: FxHashMap<Block, usize> = FxHashMap::default();
        for prefix in prefixes {
            let Some(id) = self.loc.find(prefix) else { continue };
            for slot in self.loc.slots(id) {
                let owner = self.loc.sources.peer(slot.source);
                let Some(block) = self.block_at(stage, slot).filter(|_| peer.is_none_or(|peer| peer as i32 == owner)) else {
                    continue;
                };
                let next_hop = self.loc.blocks.head(block).next_hop;
                let Some(octets) = self
                    .loc
                    .blocks
                    .octets(block)
                    .filter(|_| next_hop.is_ipv4() == (prefix.version == 4))
                else {
                    continue;
                };
                let place = *places.entry(block).or_insert_with(|| {
                    found.blocks.push((octets.to_vec(), next_hop));
                    found.blocks.len() - 1
                });
                found.rows.push((*prefix, owner, place));
            }
        }
        Ok(found)
    }

    fn block_at(&self, stage: Stage, slot: &Slot) -> Option<Block> {
        match stage {
            Stage::Accepted => slot.takes_part().then(|| self.loc.block(slot)),
            Stage::Received => {
                let is_invalid = self.loc.outcome(slot).is_some_and(|outcome| outcome.invalid.is_some());
                (!is_invalid && slot.flags & flag::SUMMARY == 0).then_some(slot.received)
            }
        }
    }
}

/// The least so many, sorted.
fn least(all: impl Iterator<Item = Prefix>, limit: usize) -> Vec<Prefix> {
    let mut kept: Vec<Prefix> = Vec::new();
    let mut greatest = None;
    for prefix in all {
        if greatest.is_some_and(|greatest| prefix > greatest) {
            continue;
        }
        kept.push(prefix);
        if limit > 0 && kept.len() >= 2 * limit {
            let (_, nth, _) = kept.select_nth_unstable(limit - 1);
            greatest = Some(*nth);
            kept.truncate(limit);
        }
    }
    kept.sort_unstable();
    kept.truncate(limit);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_least_are_those_of_the_sorted(all in prop::collection::vec(0u128..500, 0..200), limit in 0usize..30) {
            let all: Vec<Prefix> = all.into_iter().map(|bits| Prefix::new(4, bits << 8, 24)).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable();
            sorted.truncate(limit);
            prop_assert_eq!(least(all.into_iter(), limit), sorted);
        }
    }
}
