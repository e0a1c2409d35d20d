//! Paths by prefix, and what was chosen of them: the Loc-RIB, with every peer's Adj-RIB-In in the same place (RFC 4271 section 3.2).
//!
//! What changes between two rounds of decisions is noted once a prefix, as it was before: so nothing but places of paths is kept of what was chosen.

use std::net::IpAddr;

use smallvec::SmallVec;
use triomphe::Arc;

use super::adj_in::Outcome;
use super::decision::{Candidate, Decision};
use super::source::{Path, Source, Sources};
use super::table::Table;
use crate::block::Block;
use crate::prefix::{Prefix, width};

/// Bits of `Slot::flags`.
pub mod flag {
    /// A check, a rule or RFC 7606 refused it.
    pub const REFUSED: u32 = 1;
    /// A summary of the same peer goes before it.
    pub const HIDDEN: u32 = 2;
    /// An import rule made summaries of it.
    pub const SUMMARIZED: u32 = 4;
    /// It is a summary, which the peer itself did not announce.
    pub const SUMMARY: u32 = 8;
    /// Kept of a session that ended, or announced before a refresh began (RFC 4724 section 4.2, RFC 7313 section 4).
    pub const STALE: u32 = 16;
}

/// One path to a prefix: announced by a peer, refused or not, or originated here.
#[derive(Clone, Debug)]
pub struct Slot {
    /// As received, or originated.
    pub received: Block,
    /// What judging made of it; None where it was let in as it came.
    pub outcome: Option<Arc<Outcome>>,
    /// Number of its source.
    pub source: u32,
    /// Bits of `flag`.
    pub flags: u32,
}

impl Slot {
    /// Whether it takes part in the decision.
    pub fn takes_part(&self) -> bool {
        self.flags & (flag::REFUSED | flag::HIDDEN | flag::SUMMARIZED) == 0
    }

    fn is_summary(&self) -> bool {
        self.flags & flag::SUMMARY != 0
    }

    /// Its attributes after import.
    pub fn block(&self) -> &Block {
        let changed = self.outcome.as_ref().and_then(|outcome| outcome.attributes.as_ref());
        changed.unwrap_or(&self.received)
    }

    /// Its weight after import.
    pub fn weight(&self, source: &Source) -> u32 {
        self.outcome.as_ref().map_or(source.weight, |outcome| outcome.weight)
    }

    fn candidate<'a>(&'a self, sources: &'a Sources) -> Candidate<'a> {
        let source = sources.get(self.source);
        Candidate {
            source,
            head: self.block().head(),
            weight: self.weight(source),
        }
    }

    fn is_same(&self, other: &Slot) -> bool {
        let outcomes = match (&self.outcome, &other.outcome) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        };
        self.source == other.source && self.flags == other.flags && self.received.is(&other.received) && outcomes
    }
}

/// No place.
const NONE: u32 = u32::MAX;

/// One destination.
#[derive(Debug)]
struct Dest {
    /// By peer; of one peer the summary after the route itself.
    slots: SmallVec<[Slot; 1]>,
    /// Rank of the best.
    rank: u64,
    best: u32,
    /// The best of the others than the best one, where `Loc::keep_second` was asked for.
    second: u32,
    /// Where it is in `Loc::undos`, while it is dirty.
    undo: u32,
    /// It is to be decided; if not, `best`, `second` and `rank` hold.
    is_open: bool,
    /// The multipath set has others than the best.
    is_multi: bool,
}

impl Default for Dest {
    fn default() -> Self {
        Self {
            slots: SmallVec::new(),
            rank: u64::MAX,
            best: NONE,
            second: NONE,
            undo: NONE,
            is_open: false,
            is_multi: false,
        }
    }
}

/// How a dirty destination was as of the last decision.
#[derive(Debug)]
pub struct Undo {
    /// Number of the prefix.
    pub id: u32,
    /// Whether best or multipath set changed; holds once it is decided.
    pub is_visible: bool,
    /// Whether its best route is to be told anew: another best or second one, or of another source; holds once it is decided.
    pub is_told: bool,
    /// The best one.
    pub best: Option<Slot>,
    more: Option<Box<More>>,
}

#[derive(Default, Debug)]
struct More {
    second: Option<Slot>,
    equal: Vec<Slot>,
}

impl Undo {
    /// The second best, where it was kept.
    pub fn second(&self) -> Option<&Slot> {
        self.more.as_ref()?.second.as_ref()
    }
}

/// What was chosen for a prefix as of the last decision.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The best route.
    pub best: &'a Slot,
    /// The best of the others than the best one's source, where it is kept.
    pub second: Option<&'a Slot>,
}

/// What a change of one path does to what was chosen.
enum Effect {
    Nothing,
    Best(u64),
    Open,
}

/// All destinations.
pub struct Loc {
    /// Numbers of prefixes.
    pub table: Table,
    /// Sources of paths.
    pub sources: Sources,
    decision: Decision,
    dests: Vec<Dest>,
    undos: Vec<Undo>,
    /// How many prefixes of each length have a best route, for longest match: IPv4, IPv6.
    lengths: [Vec<usize>; 2],
    paths: usize,
    keeps_second: bool,
}

impl Loc {
    /// An empty one.
    pub fn new(decision: Decision) -> Self {
        Self {
            table: Table::default(),
            sources: Sources::default(),
            decision,
            dests: Vec::new(),
            undos: Vec::new(),
            lengths: [vec![0; 33], vec![0; 129]],
            paths: 0,
            keeps_second: false,
        }
    }

    /// The rounds.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Other rounds: all is decided anew.
    pub fn set_decision(&mut self, decision: Decision) {
        self.touch_all();
        self.decision = decision;
    }

    /// Somebody is to be told the second best: from the next decision on it is known.
    pub fn keep_second(&mut self) {
        if !self.keeps_second {
            self.touch_all();
            self.keeps_second = true;
        }
    }

    /// Number of paths that take part.
    pub fn paths(&self) -> usize {
        self.paths
    }

    /// Number of prefixes with a path that takes part.
    pub fn reachable(&self) -> usize {
        let takes_part = |dest: &&Dest| dest.slots.iter().any(Slot::takes_part);
        self.dests.iter().filter(takes_part).count()
    }

    // --- paths --------------------------------------------------------------------------------------------------------

    /// All paths of a prefix, by peer.
    pub fn slots(&self, id: u32) -> &[Slot] {
        &self.dests[id as usize].slots
    }

    fn place(&self, id: u32, source: u32, is_summary: bool) -> Result<usize, usize> {
        let slots = &self.dests[id as usize].slots;
        match &slots[..] {
            [] => Err(0),
            [only] if only.source == source && only.is_summary() == is_summary => Ok(0),
            _ => {
                let key = (self.sources.peer(source), is_summary);
                slots.binary_search_by_key(&key, |slot| (self.sources.peer(slot.source), slot.is_summary()))
            }
        }
    }

    /// What the source's peer announced, or its summary.
    pub fn get(&self, id: u32, source: u32, is_summary: bool) -> Option<&Slot> {
        let at = self.place(id, source, is_summary).ok()?;
        self.dests[id as usize].slots.get(at)
    }

    /// The rank of a path.
    pub fn rank(&self, slot: &Slot) -> u64 {
        self.decision.rank(&slot.candidate(&self.sources))
    }

    /// Put in a path, instead of a former one of the same peer, which is given back. `rank` is that of the path.
    pub fn put(&mut self, id: u32, slot: Slot, rank: u64) -> Option<Slot> {
        if self.dests.len() <= id as usize {
            self.dests.resize_with(id as usize + 1, Dest::default);
        }
        let place = self.place(id, slot.source, slot.is_summary());
        let takes_part = slot.takes_part();
        match place {
            Ok(at) => {
                if self.dests[id as usize].slots[at].is_same(&slot) {
                    return Some(slot);
                }
                let effect = self.effect(id, Some(at), takes_part.then_some(rank));
                self.prepare(id, at, &effect);
                let dest = &mut self.dests[id as usize];
                let old = std::mem::replace(&mut dest.slots[at], slot);
                self.paths = self.paths + usize::from(takes_part) - usize::from(old.takes_part());
                Some(old)
            }
            Err(at) => {
                let effect = self.effect(id, None, takes_part.then_some(rank));
                self.prepare(id, at, &effect);
                let dest = &mut self.dests[id as usize];
                if !matches!(effect, Effect::Best(_)) && dest.best != NONE && dest.best as usize >= at {
                    dest.best += 1;
                }
                if dest.second != NONE && dest.second as usize >= at {
                    dest.second += 1;
                }
                dest.slots.insert(at, slot);
                self.paths += usize::from(takes_part);
                None
            }
        }
    }

    /// Take away a path of the source's peer.
    pub fn take(&mut self, id: u32, source: u32, is_summary: bool) -> Option<Slot> {
        let at = self.place(id, source, is_summary).ok()?;
        let effect = self.effect(id, Some(at), None);
        self.prepare(id, at, &effect);
        let dest = &mut self.dests[id as usize];
        let old = dest.slots.remove(at);
        for place in [&mut dest.best, &mut dest.second] {
            if *place != NONE && *place as usize > at {
                *place -= 1;
            }
        }
        self.paths -= usize::from(old.takes_part());
        if dest.slots.is_empty() && dest.undo == NONE {
            self.undo(id); // so that its number is given back
        }
        Some(old)
    }

    /// Set a flag of what the source's peer announced that means nothing to the decision; whether it was not set.
    pub fn mark(&mut self, id: u32, source: u32, flag: u32) -> bool {
        let Ok(at) = self.place(id, source, false) else { return false };
        let flags = &mut self.dests[id as usize].slots[at].flags;
        let was_set = *flags & flag != 0;
        *flags |= flag;
        !was_set
    }

    /// What it does to what was chosen that the path at this place becomes one of this rank, or one that takes no part.
    fn effect(&self, id: u32, at: Option<usize>, new: Option<u64>) -> Effect {
        let dest = &self.dests[id as usize];
        if dest.is_open {
            return Effect::Open;
        }
        let old = at.map(|at| &dest.slots[at]).filter(|slot| slot.takes_part());
        if old.is_none() && new.is_none() {
            return Effect::Nothing;
        }
        if self.keeps_second || !self.decision.ranks() || new == Some(u64::MAX) {
            return Effect::Open;
        }
        if dest.best == NONE {
            return match new {
                Some(rank) if !dest.slots.iter().any(Slot::takes_part) => Effect::Best(rank),
                _ => Effect::Open,
            };
        }
        if at == Some(dest.best as usize) {
            return match new {
                Some(rank) if rank < dest.rank || dest.slots.len() == 1 => Effect::Best(rank),
                _ => Effect::Open,
            };
        }
        if old.is_some_and(|old| self.rank(old) <= dest.rank) {
            return Effect::Open;
        }
        match new {
            Some(rank) if rank == dest.rank => Effect::Open,
            Some(rank) if rank < dest.rank => Effect::Best(rank),
            _ => Effect::Nothing,
        }
    }

    /// Before a change: note how it was.
    fn prepare(&mut self, id: u32, at: usize, effect: &Effect) {
        if matches!(effect, Effect::Nothing) {
            return;
        }
        self.undo(id);
        let dest = &mut self.dests[id as usize];
        if let Effect::Best(rank) = effect {
            (dest.best, dest.rank, dest.is_multi) = (at as u32, *rank, false);
        } else {
            dest.is_open = true;
        }
    }

    fn undo(&mut self, id: u32) {
        let dest = &self.dests[id as usize];
        if dest.undo != NONE {
            return;
        }
        let slot = |at: u32| dest.slots.get(at as usize).cloned();
        let (best, second) = (slot(dest.best), slot(dest.second));
        let equal = if dest.is_multi { self.others(dest).cloned().collect() } else { Vec::new() };
        let more = (second.is_some() || !equal.is_empty()).then(|| Box::new(More { second, equal }));
        self.undos.push(Undo {
            id,
            is_visible: false,
            is_told: false,
            best,
            more,
        });
        self.dests[id as usize].undo = self.undos.len() as u32 - 1;
    }

    fn touch_all(&mut self) {
        for id in 0..self.dests.len() as u32 {
            if !self.dests[id as usize].slots.is_empty() {
                self.undo(id);
                self.dests[id as usize].is_open = true;
            }
        }
    }

    // --- decisions ----------------------------------------------------------------------------------------------------

    /// Of the paths that take part: the rounds' view, and their places.
    fn candidates<'a>(&'a self, dest: &'a Dest) -> (SmallVec<[Candidate<'a>; 8]>, SmallVec<[u32; 8]>) {
        let all = dest.slots.iter().enumerate().filter(|(_, slot)| slot.takes_part());
        all.map(|(at, slot)| (slot.candidate(&self.sources), at as u32)).unzip()
    }

    /// The multipath set without the best, as it is by the present paths.
    fn others<'a>(&'a self, dest: &'a Dest) -> impl Iterator<Item = &'a Slot> {
        let (candidates, places) = self.candidates(dest);
        let chosen = self.decision.decide(&candidates);
        let mut others: Vec<&Slot> = chosen
            .equal
            .iter()
            .filter(|i| Some(**i) != chosen.best)
            .map(|i| &dest.slots[places[*i] as usize])
            .collect();
        others.sort_by_key(|slot| (slot.block().head().next_hop, self.sources.peer(slot.source)));
        others.into_iter()
    }

    /// Choose: best, second, whether the multipath set has others.
    fn choose(&self, dest: &Dest) -> (u32, u32, bool) {
        if let ([only], false) = (&dest.slots[..], self.keeps_second) {
            let is_best = only.takes_part() && self.sources.get(only.source).usable;
            return (if is_best { 0 } else { NONE }, NONE, false);
        }
        let (mut candidates, mut places) = self.candidates(dest);
        let chosen = self.decision.decide(&candidates);
        let Some(best) = chosen.best else {
            return (NONE, NONE, false);
        };
        let place = places[best];
        let mut second = NONE;
        if self.keeps_second && candidates.len() > 1 {
            candidates.remove(best);
            places.remove(best);
            second = self.decision.decide(&candidates).best.map_or(NONE, |i| places[i]);
        }
        (place, second, chosen.equal.len() > 1)
    }

    /// Decide what is dirty. How it was comes back, and stands until `done`.
    pub fn decide(&mut self) -> Vec<Undo> {
        let mut undos = std::mem::take(&mut self.undos);
        for undo in &mut undos {
            if self.dests[undo.id as usize].is_open {
                let dest = &self.dests[undo.id as usize];
                let (best, second, is_multi) = self.choose(dest);
                let rank = dest.slots.get(best as usize).map_or(u64::MAX, |slot| self.rank(slot));
                let dest = &mut self.dests[undo.id as usize];
                (dest.best, dest.second, dest.is_multi, dest.rank) = (best, second, is_multi, rank);
            }
            let dest = &self.dests[undo.id as usize];
            let (best, second) = (dest.slots.get(dest.best as usize), dest.slots.get(dest.second as usize));
            let is_kept = self.is_kept(undo.best.as_ref(), best);
            undo.is_told = self.is_told_again(undo.best.as_ref(), best) || self.is_told_again(undo.second(), second);
            undo.is_visible = !is_kept || !self.are_others_kept(undo, dest);
            let (had, has) = (undo.best.is_some(), best.is_some());
            if had != has {
                let (version, length) = self.table.shape(undo.id);
                let count = &mut self.lengths[usize::from(version != 4)][usize::from(length)];
                *count = if has { *count + 1 } else { *count - 1 };
            }
            let dest = &mut self.dests[undo.id as usize];
            (dest.undo, dest.is_open) = (NONE, false);
        }
        undos
    }

    /// All that hung on how it was is done: prefixes without paths and sources without peers go.
    pub fn done(&mut self, undos: Vec<Undo>) {
        for undo in &undos {
            if self.dests[undo.id as usize].slots.is_empty() {
                self.dests[undo.id as usize] = Dest::default();
                self.table.release(undo.id);
            }
        }
        drop(undos);
        self.sources.forget();
        if self.table.len() == 0 && !self.dests.is_empty() {
            self.table.shrink();
            self.dests = Vec::new();
        }
    }

    /// Whether it is the same route, whatever else is known of its source.
    fn is_kept(&self, old: Option<&Slot>, new: Option<&Slot>) -> bool {
        match (old, new) {
            (Some(old), Some(new)) => {
                self.sources.peer(old.source) == self.sources.peer(new.source)
                    && old.block().is(new.block())
                    && old.weight(self.sources.get(old.source)) == new.weight(self.sources.get(new.source))
            }
            (old, new) => old.is_none() && new.is_none(),
        }
    }

    fn is_told_again(&self, old: Option<&Slot>, new: Option<&Slot>) -> bool {
        !self.is_kept(old, new) || matches!((old, new), (Some(old), Some(new)) if old.source != new.source)
    }

    fn are_others_kept(&self, undo: &Undo, dest: &Dest) -> bool {
        let old = undo.more.as_ref().map_or(&[][..], |more| &more.equal);
        if !dest.is_multi {
            return old.is_empty();
        }
        let mut new = self.others(dest);
        old.iter().all(|old| self.is_kept(Some(old), new.next())) && new.next().is_none()
    }

    // --- questions ----------------------------------------------------------------------------------------------------

    /// What was chosen, as of the last decision.
    pub fn decided(&self, id: u32) -> Option<Decided<'_>> {
        let dest = self.dests.get(id as usize)?;
        if let Some(undo) = self.undos.get(dest.undo as usize) {
            return undo.best.as_ref().map(|best| Decided {
                best,
                second: undo.second(),
            });
        }
        self.chosen(id)
    }

    /// What is chosen, where the prefix isn't dirty.
    pub fn chosen(&self, id: u32) -> Option<Decided<'_>> {
        let dest = self.dests.get(id as usize)?;
        let best = dest.slots.get(dest.best as usize)?;
        let second = dest.slots.get(dest.second as usize);
        Some(Decided { best, second })
    }

    /// The multipath set without the best, by next hop and peer; as of the last decision.
    pub fn equals(&self, id: u32) -> Vec<&Slot> {
        let Some(dest) = self.dests.get(id as usize) else {
            return Vec::new();
        };
        match self.undos.get(dest.undo as usize) {
            Some(undo) => undo.more.iter().flat_map(|more| &more.equal).collect(),
            None if dest.is_multi => self.others(dest).collect(),
            None => Vec::new(),
        }
    }

    /// Every path that takes part, as of now: the best first, then in the order in which they lost, the latest first, each with the round in which it
    /// lost and whether it is of the multipath set.
    pub fn ranking(&self, id: u32) -> Vec<(&Slot, Option<&'static str>, bool)> {
        let Some(dest) = self.dests.get(id as usize) else {
            return Vec::new();
        };
        let (candidates, places) = self.candidates(dest);
        let chosen = self.decision.decide(&candidates);
        let row = |i: usize| {
            let slot = &dest.slots[places[i] as usize];
            (slot, self.decision.lost_in(&chosen, i), chosen.equal.contains(&i))
        };
        chosen.order().into_iter().map(row).collect()
    }

    /// The number of the longest prefix with a best route that covers the address.
    pub fn lookup(&self, address: IpAddr) -> Option<u32> {
        let host = Prefix::host(address);
        let lengths = &self.lengths[usize::from(host.version != 4)];
        (0..=width(host.version)).rev().filter(|n| lengths[usize::from(*n)] > 0).find_map(|n| {
            let id = self.table.find(&Prefix::new(host.version, host.bits, n))?;
            self.decided(id).map(|_| id)
        })
    }

    /// A path as policies see it.
    pub fn path(&self, slot: &Slot) -> Path {
        let source = self.sources.get(slot.source);
        Path {
            attributes: slot.block().attributes(),
            weight: slot.weight(source),
            source: std::sync::Arc::clone(source),
        }
    }
}
