//! Paths by prefix, and what was chosen of them: the Loc-RIB, with every peer's Adj-RIB-In in the same place (RFC 4271 section 3.2).
//!
//! What changes between two rounds of decisions is noted once a prefix, as it was before: so nothing but places of paths is kept of what was chosen.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::adj_in::Outcome;
use super::decision::{Candidate, Decision};
use super::ids::IdSet;
use super::source::{Path, Sources};
use crate::block::{Block, Blocks, Head, Marks};
use crate::index::Index;
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// As received, or originated.
    pub received: Block,
    /// What judging made of it, as its place in `Loc::outcomes`; `NONE` where it was let in as it came.
    pub outcome: u32,
    /// Number of its source.
    pub source: u32,
    /// Bits of `flag`.
    pub flags: u32,
    /// How it stands in the first rounds (`Decision::rank`); `put` sets it.
    pub rank: u64,
}

impl Slot {
    /// Whether it takes part in the decision.
    pub fn takes_part(&self) -> bool {
        self.flags & (flag::REFUSED | flag::HIDDEN | flag::SUMMARIZED) == 0
    }

    fn is_summary(&self) -> bool {
        self.flags & flag::SUMMARY != 0
    }
}

/// No place.
pub const NONE: u32 = u32::MAX;

/// One destination. It takes a line of the processor's cache.
#[derive(Debug)]
#[repr(align(64))]
struct Dest {
    /// An IPv4 prefix itself (`key_of`), or `WIDE` and the place of another one in `Loc::wide`; `FREE`.
    key: u64,
    /// By peer; of one peer the summary after the route itself.
    slots: SmallVec<[Slot; 1]>,
    best: u32,
    /// The best of the others than the best one, where `Loc::keep_second` was asked for.
    second: u32,
    /// Where it is in `Loc::undos`, while it is dirty.
    undo: u32,
    /// It is to be decided; if not, `best` and `second` hold.
    is_open: bool,
    /// The multipath set has others than the best.
    is_multi: bool,
}

impl Default for Dest {
    fn default() -> Self {
        Self {
            key: FREE,
            slots: SmallVec::new(),
            best: NONE,
            second: NONE,
            undo: NONE,
            is_open: false,
            is_multi: false,
        }
    }
}

/// The bit of keys that are places in `Loc::wide`.
const WIDE: u64 = 1 << 63;
const FREE: u64 = u64::MAX;

/// An IPv4 prefix as its address, then its length in the lowest octet; None for another one.
fn key_of(prefix: &Prefix) -> Option<u64> {
    (prefix.version == 4).then_some((prefix.bits as u64) << 8 | u64::from(prefix.length))
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
    pub fn second(&self) -> Option<Slot> {
        self.more.as_ref()?.second
    }
}

/// What was chosen for a prefix as of the last decision.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// The best route.
    pub best: Slot,
    /// The best of the others than the best one's source, where it is kept.
    pub second: Option<Slot>,
}

/// What a change of one path does to what was chosen.
#[derive(Clone, Copy)]
enum Effect {
    Nothing,
    /// Places of best and second, as they were before the change; `IT` is that of the path that changed.
    Chosen(u32, u32),
    /// All is to be looked at.
    Open,
}

const IT: u32 = u32::MAX - 1;

/// All destinations. Each prefix that has a path has a number.
pub struct Loc {
    /// Attributes of paths.
    pub blocks: Blocks,
    /// Sources of paths.
    pub sources: Sources,
    decision: Decision,
    dests: Vec<Dest>,
    free: Vec<u32>,
    wide: Vec<Prefix>,
    free_wide: Vec<u32>,
    index: Index,
    hasher: RandomState,
    /// What judging made of paths; free places are None.
    outcomes: Vec<Option<Outcome>>,
    free_outcomes: Vec<u32>,
    undos: Vec<Undo>,
    /// How many prefixes of each length have a best route, for longest match: IPv4, IPv6.
    lengths: [Vec<usize>; 2],
    paths: usize,
    keeps_second: bool,
    outcomes_sweep_at: usize,
}

/// So many are asked for at once where memory is to be fetched in time.
pub const WARM: usize = 64;
/// Below this number of outcomes there is no need to sweep.
const SMALL: usize = 4096;

impl Loc {
    /// An empty one.
    pub fn new(decision: Decision) -> Self {
        Self {
            blocks: Blocks::new(),
            sources: Sources::default(),
            decision,
            dests: Vec::new(),
            free: Vec::new(),
            wide: Vec::new(),
            free_wide: Vec::new(),
            index: Index::default(),
            hasher: RandomState::default(),
            outcomes: Vec::new(),
            free_outcomes: Vec::new(),
            undos: Vec::new(),
            lengths: [vec![0; 33], vec![0; 129]],
            paths: 0,
            keeps_second: false,
            outcomes_sweep_at: SMALL,
        }
    }

    // --- prefixes -----------------------------------------------------------------------------------------------------

    /// How many prefixes have a number.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn hash(&self, key: impl Hash) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    /// The number of an IPv4 prefix by its key: address, then length in the lowest octet.
    pub fn find_key(&self, key: u64) -> Option<u32> {
        self.index.find(self.hash(key), |id| self.dests[id as usize].key == key)
    }

    /// These are going to be asked for, one after the other: have their memory fetched all at once, as each alone would be waited for.
    pub fn warm(&self, keys: &[u64]) {
        let entries = || keys.iter().filter_map(|key| self.index.peek(self.hash(*key)));
        let first: u32 = entries().fold(0, |sum, id| sum ^ id);
        let second = entries().fold(0, |sum, id| sum ^ self.dests[id as usize].undo);
        std::hint::black_box((first, second));
    }

    /// The number of a prefix.
    pub fn find(&self, prefix: &Prefix) -> Option<u32> {
        match key_of(prefix) {
            Some(key) => self.find_key(key),
            None => self.index.find(self.hash(prefix), |id| {
                self.dests[id as usize].key != FREE && self.prefix(id) == *prefix
            }),
        }
    }

    /// The number of an IPv4 prefix by its key, a new one if need be.
    pub fn number_key(&mut self, key: u64) -> u32 {
        let hash = self.hash(key);
        if let Some(id) = self.index.find(hash, |id| self.dests[id as usize].key == key) {
            return id;
        }
        self.add(hash, key)
    }

    /// The number of a prefix, a new one if need be.
    pub fn number(&mut self, prefix: &Prefix) -> u32 {
        if let Some(key) = key_of(prefix) {
            return self.number_key(key);
        }
        if let Some(id) = self.find(prefix) {
            return id;
        }
        let place = self.free_wide.pop().unwrap_or(self.wide.len() as u32);
        if place as usize == self.wide.len() {
            self.wide.push(*prefix);
        }
        self.wide[place as usize] = *prefix;
        self.add(self.hash(prefix), WIDE | u64::from(place))
    }

    fn add(&mut self, hash: u32, key: u64) -> u32 {
        let id = match self.free.pop() {
            Some(id) => {
                self.dests[id as usize].key = key;
                id
            }
            None => {
                self.dests.push(Dest { key, ..Dest::default() });
                self.dests.len() as u32 - 1
            }
        };
        self.index.insert(hash, id);
        id
    }

    fn release(&mut self, id: u32) {
        let dest = std::mem::take(&mut self.dests[id as usize]);
        let hash = if dest.key & WIDE == 0 {
            self.hash(dest.key)
        } else {
            let place = (dest.key & !WIDE) as u32;
            self.free_wide.push(place);
            self.hash(self.wide[place as usize])
        };
        self.index.remove(hash, id);
        self.free.push(id);
    }

    /// The prefix of a number that is in use.
    pub fn prefix(&self, id: u32) -> Prefix {
        let key = self.dests[id as usize].key;
        if key & WIDE != 0 {
            return self.wide[(key & !WIDE) as usize];
        }
        Prefix {
            version: 4,
            bits: u128::from(key >> 8),
            length: key as u8,
        }
    }

    /// IP version and length of the prefix of a number that is in use.
    pub fn shape(&self, id: u32) -> (u8, u8) {
        let key = self.dests[id as usize].key;
        if key & WIDE == 0 {
            (4, key as u8)
        } else {
            (6, self.prefix(id).length)
        }
    }

    /// All numbers in use, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.dests.len() as u32).filter(|id| self.dests[*id as usize].key != FREE)
    }

    /// Of these numbers the prefixes, sorted, each with its number.
    pub fn sorted(&self, ids: impl Iterator<Item = u32>) -> Vec<(Prefix, u32)> {
        let mut all: Vec<(Prefix, u32)> = ids.map(|id| (self.prefix(id), id)).collect();
        all.sort_unstable();
        all
    }

    /// Octets of memory that one path to a prefix takes, attributes aside, where there is no other.
    pub fn memory(&self, id: u32) -> u64 {
        let wide = if self.shape(id).0 == 4 { 0 } else { size_of::<Prefix>() };
        (size_of::<Dest>() + Index::ENTRY + wide) as u64
    }

    // --- what paths are ------------------------------------------------------------------------------------------------

    /// What judging made of a path that was not let in as it came.
    pub fn outcome(&self, slot: &Slot) -> Option<&Outcome> {
        self.outcomes.get(slot.outcome as usize)?.as_ref()
    }

    /// Keep an outcome for paths that are put in before the next round of decisions; its place.
    pub fn keep(&mut self, outcome: Outcome) -> u32 {
        let place = self.free_outcomes.pop().unwrap_or(self.outcomes.len() as u32);
        if place as usize == self.outcomes.len() {
            self.outcomes.push(None);
        }
        self.outcomes[place as usize] = Some(outcome);
        place
    }

    /// Its attributes after import.
    pub fn block(&self, slot: &Slot) -> Block {
        self.outcome(slot).and_then(|outcome| outcome.attributes).unwrap_or(slot.received)
    }

    /// What is asked most of its attributes after import.
    pub fn head(&self, slot: &Slot) -> &Head {
        self.blocks.head(self.block(slot))
    }

    /// Its weight after import.
    pub fn weight(&self, slot: &Slot) -> u32 {
        self.outcome(slot)
            .map_or_else(|| self.sources.get(slot.source).weight, |outcome| outcome.weight)
    }

    fn candidate(&self, slot: &Slot) -> Candidate<'_> {
        Candidate {
            source: self.sources.get(slot.source),
            head: self.head(slot),
            weight: self.weight(slot),
        }
    }

    fn is_same(&self, a: &Slot, b: &Slot) -> bool {
        a == b || (a.source, a.flags, a.received) == (b.source, b.flags, b.received) && self.outcome(a) == self.outcome(b)
    }

    /// Forget attributes and outcomes that no path has any more, nor whoever else names his.
    pub fn sweep(&mut self, name_others: impl FnOnce(&mut Marks)) {
        if self.blocks.wants_sweep() || self.outcomes.len() > self.outcomes_sweep_at {
            self.sweep_outcomes();
            let mut blocks = std::mem::take(&mut self.blocks);
            blocks.sweep(|marks| {
                self.name(marks);
                name_others(marks);
            });
            self.blocks = blocks;
        }
    }

    /// Name all blocks that paths have.
    pub fn name(&self, marks: &mut Marks) {
        let of_undo = |undo: &'_ Undo| -> Vec<Slot> {
            let more = undo.more.iter().flat_map(|more| more.second.iter().chain(&more.equal));
            undo.best.iter().chain(more).copied().collect()
        };
        for slot in self.dests.iter().flat_map(|dest| &dest.slots) {
            marks.name(slot.received);
        }
        for slot in self.undos.iter().flat_map(of_undo) {
            marks.name(slot.received);
        }
        for outcome in self.outcomes.iter().flatten() {
            outcome.attributes.iter().for_each(|block| marks.name(*block));
        }
    }

    fn sweep_outcomes(&mut self) {
        let mut used = IdSet::default();
        let slots = self.dests.iter().flat_map(|dest| &dest.slots);
        for slot in slots.filter(|slot| slot.outcome != NONE) {
            used.insert(slot.outcome);
        }
        for (place, outcome) in self.outcomes.iter_mut().enumerate() {
            if outcome.is_some() && !used.contains(place as u32) {
                *outcome = None;
                self.free_outcomes.push(place as u32);
            }
        }
        self.outcomes_sweep_at = used.len() + (used.len() / 2).max(SMALL);
    }

    // --- decisions asked for ---------------------------------------------------------------------------------------------

    /// The rounds.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Other rounds: all is decided anew.
    pub fn set_decision(&mut self, decision: Decision) {
        self.touch_all();
        self.decision = decision;
        for id in 0..self.dests.len() {
            for at in 0..self.dests[id].slots.len() {
                let rank = self.rank(&self.dests[id].slots[at]);
                self.dests[id].slots[at].rank = rank;
            }
        }
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
        if let Some(at) = slots
            .iter()
            .position(|slot| slot.source == source && slot.is_summary() == is_summary)
        {
            return Ok(at);
        }
        // It may have been another source before.
        let key = (self.sources.peer(source), is_summary);
        slots.binary_search_by_key(&key, |slot| (self.sources.peer(slot.source), slot.is_summary()))
    }

    /// What the source's peer announced, or its summary.
    pub fn get(&self, id: u32, source: u32, is_summary: bool) -> Option<&Slot> {
        let at = self.place(id, source, is_summary).ok()?;
        self.dests[id as usize].slots.get(at)
    }

    /// A path with its rank.
    pub fn ranked(&self, received: Block, outcome: u32, source: u32, flags: u32) -> Slot {
        let mut slot = Slot {
            received,
            outcome,
            source,
            flags,
            rank: 0,
        };
        slot.rank = self.rank(&slot);
        slot
    }

    /// The rank of a path.
    pub fn rank(&self, slot: &Slot) -> u64 {
        self.decision.rank(&self.candidate(slot))
    }

    /// Put in a path, instead of a former one of the same peer, which is given back.
    pub fn put(&mut self, id: u32, slot: Slot) -> Option<Slot> {
        let place = self.place(id, slot.source, slot.is_summary());
        if let Ok(at) = place
            && self.is_same(&self.dests[id as usize].slots[at], &slot)
        {
            return Some(slot);
        }
        let effect = self.effect(id, place.ok(), slot.takes_part().then_some(slot.rank));
        self.prepare(id, effect);
        let dest = &mut self.dests[id as usize];
        let (at, old) = match place {
            Ok(at) => (at, Some(std::mem::replace(&mut dest.slots[at], slot))),
            Err(at) => {
                dest.slots.insert(at, slot);
                (at, None)
            }
        };
        if let Effect::Chosen(best, second) = effect {
            (dest.best, dest.second) = (best, second);
        }
        for place in [&mut dest.best, &mut dest.second] {
            match *place {
                NONE => {}
                IT => *place = at as u32,
                before if old.is_none() && before as usize >= at => *place += 1,
                _ => {}
            }
        }
        let was_there = old.is_some_and(|old| old.takes_part());
        self.paths = self.paths + usize::from(slot.takes_part()) - usize::from(was_there);
        old
    }

    /// Take away a path of the source's peer.
    pub fn take(&mut self, id: u32, source: u32, is_summary: bool) -> Option<Slot> {
        let at = self.place(id, source, is_summary).ok()?;
        let effect = self.effect(id, Some(at), None);
        self.prepare(id, effect);
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
    ///
    /// Of two ranks the lower goes before the other whatever else there is, and the second best has the lowest of all but the best. So a path that
    /// is beyond both changes nothing, and one that is clearly before one of them takes its place.
    fn effect(&self, id: u32, at: Option<usize>, new: Option<u64>) -> Effect {
        let dest = &self.dests[id as usize];
        if dest.is_open {
            return Effect::Open;
        }
        let old = at.map(|at| &dest.slots[at]).filter(|slot| slot.takes_part());
        let ((Some(_), _) | (None, Some(_))) = (old, new) else {
            return Effect::Nothing;
        };
        let Some(best) = dest.slots.get(dest.best as usize) else {
            let is_first = old.is_none() && !dest.slots.iter().any(Slot::takes_part);
            return match new {
                Some(rank) if is_first && self.decision.ranks() && rank != u64::MAX => Effect::Chosen(IT, NONE),
                _ => Effect::Open,
            };
        };
        if !self.decision.ranks() {
            return Effect::Open;
        }
        let is = |place: u32| at == Some(place as usize);
        // Without a second one that is known, nothing is known of the paths beyond the best one but that none is before it.
        let beyond = match dest.slots.get(dest.second as usize) {
            Some(second) => second.rank,
            None if self.keeps_second || dest.slots.len() == 1 => u64::MAX,
            None => best.rank,
        };
        let (is_best, is_second) = (is(dest.best), is(dest.second));
        if is_best {
            return match new {
                Some(rank) if rank < beyond => Effect::Chosen(IT, dest.second),
                _ => Effect::Open,
            };
        }
        let limit = if self.keeps_second { beyond } else { best.rank };
        if old.is_some_and(|old| old.rank <= limit) && !is_second {
            return Effect::Open;
        }
        match new {
            Some(rank) if rank < best.rank => match self.keeps_second {
                true if best.rank < beyond => Effect::Chosen(IT, dest.best),
                true => Effect::Open,
                false => Effect::Chosen(IT, NONE),
            },
            Some(rank) if self.keeps_second && rank > best.rank && rank < beyond => Effect::Chosen(dest.best, IT),
            Some(rank) if rank > limit && !is_second => Effect::Nothing,
            None if !is_second => Effect::Nothing,
            _ => Effect::Open,
        }
    }

    /// Before a change: note how it was.
    fn prepare(&mut self, id: u32, effect: Effect) {
        if matches!(effect, Effect::Nothing) {
            return;
        }
        self.undo(id);
        let dest = &mut self.dests[id as usize];
        match effect {
            Effect::Chosen(IT, _) => dest.is_multi = false,
            Effect::Chosen(..) | Effect::Nothing => {}
            Effect::Open => dest.is_open = true,
        }
    }

    fn undo(&mut self, id: u32) {
        let dest = &self.dests[id as usize];
        if dest.undo != NONE {
            return;
        }
        let slot = |at: u32| dest.slots.get(at as usize).copied();
        let (best, second) = (slot(dest.best), slot(dest.second));
        let equal = if dest.is_multi { self.others(dest).into_vec() } else { Vec::new() };
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

    /// Of the paths that take part, and for which it holds: the rounds' view, and their places.
    fn candidates<'a>(
        &'a self,
        dest: &'a Dest,
        is_wanted: impl Fn(u32, &Slot) -> bool,
    ) -> (SmallVec<[Candidate<'a>; 8]>, SmallVec<[u32; 8]>) {
        let (mut candidates, mut places) = (SmallVec::new(), SmallVec::new());
        for (at, slot) in dest.slots.iter().enumerate() {
            if slot.takes_part() && is_wanted(at as u32, slot) {
                candidates.push(self.candidate(slot));
                places.push(at as u32);
            }
        }
        (candidates, places)
    }

    /// The best of all but one, and the multipath set. Only those of the lowest rank come into question.
    fn winner(&self, dest: &Dest, but: u32) -> (u32, SmallVec<[u32; 8]>) {
        let ranks = self.decision.ranks();
        let (mut lowest, mut at, mut count) = (u64::MAX, NONE, 0);
        for (place, slot) in dest.slots.iter().enumerate() {
            if place as u32 == but || !slot.takes_part() || slot.rank > lowest {
                continue;
            }
            count = if slot.rank < lowest { 1 } else { count + 1 };
            (lowest, at) = (slot.rank, place as u32);
        }
        if ranks && (lowest == u64::MAX || count == 1) {
            return if lowest == u64::MAX {
                (NONE, SmallVec::new())
            } else {
                (at, SmallVec::from_slice(&[at]))
            };
        }
        let (candidates, places) = self.candidates(dest, |place, slot| place != but && (!ranks || slot.rank == lowest));
        let chosen = self.decision.decide(&candidates);
        let equal = chosen.equal.iter().map(|i| places[*i]).collect();
        (chosen.best.map_or(NONE, |i| places[i]), equal)
    }

    /// The multipath set without the best, as it is by the present paths.
    fn others(&self, dest: &Dest) -> SmallVec<[Slot; 8]> {
        let (best, equal) = self.winner(dest, NONE);
        let others = equal.iter().filter(|place| **place != best);
        let mut others: SmallVec<[Slot; 8]> = others.map(|place| dest.slots[*place as usize]).collect();
        others.sort_by_key(|slot| (self.head(slot).next_hop, self.sources.peer(slot.source)));
        others
    }

    /// Choose: best, second, whether the multipath set has others.
    fn choose(&self, dest: &Dest) -> (u32, u32, bool) {
        let (best, equal) = self.winner(dest, NONE);
        let second = if self.keeps_second && best != NONE {
            self.winner(dest, best).0
        } else {
            NONE
        };
        (best, second, equal.len() > 1)
    }

    /// Decide what is dirty. How it was comes back, and stands until `done`.
    pub fn decide(&mut self) -> Vec<Undo> {
        let mut undos = std::mem::take(&mut self.undos);
        for undo in &mut undos {
            if self.dests[undo.id as usize].is_open {
                let dest = &self.dests[undo.id as usize];
                let (best, second, is_multi) = self.choose(dest);
                let dest = &mut self.dests[undo.id as usize];
                (dest.best, dest.second, dest.is_multi) = (best, second, is_multi);
            }
            let dest = &self.dests[undo.id as usize];
            let (best, second) = (
                dest.slots.get(dest.best as usize).copied(),
                dest.slots.get(dest.second as usize).copied(),
            );
            let is_kept = self.is_kept(undo.best, best);
            undo.is_told = self.is_told_again(undo.best, best) || self.is_told_again(undo.second(), second);
            undo.is_visible = !is_kept || !self.are_others_kept(undo, dest);
            let (had, has) = (undo.best.is_some(), best.is_some());
            if had != has {
                let (version, length) = self.shape(undo.id);
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
        for some in undos.chunks(WARM) {
            let is_empty = |undo: &&Undo| self.dests[undo.id as usize].slots.is_empty();
            let empty: SmallVec<[u32; WARM]> = some.iter().filter(is_empty).map(|undo| undo.id).collect();
            let places = empty.iter().map(|id| self.index.peek(self.hash(self.dests[*id as usize].key)));
            std::hint::black_box(places.fold(0, |sum, place| sum ^ place.unwrap_or(0)));
            empty.into_iter().for_each(|id| self.release(id));
        }
        drop(undos);
        self.sources.forget();
        if self.index.is_empty() && self.undos.is_empty() {
            (self.dests, self.free, self.wide, self.free_wide) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            self.index = Index::default();
        }
    }

    /// Whether it is the same route, whatever else is known of its source.
    fn is_kept(&self, old: Option<Slot>, new: Option<Slot>) -> bool {
        match (old, new) {
            (Some(old), Some(new)) => {
                self.sources.peer(old.source) == self.sources.peer(new.source)
                    && self.block(&old) == self.block(&new)
                    && self.weight(&old) == self.weight(&new)
            }
            (old, new) => old.is_none() && new.is_none(),
        }
    }

    fn is_told_again(&self, old: Option<Slot>, new: Option<Slot>) -> bool {
        !self.is_kept(old, new) || matches!((old, new), (Some(old), Some(new)) if old.source != new.source)
    }

    fn are_others_kept(&self, undo: &Undo, dest: &Dest) -> bool {
        let old = undo.more.as_ref().map_or(&[][..], |more| &more.equal);
        if !dest.is_multi {
            return old.is_empty();
        }
        let new = self.others(dest);
        old.len() == new.len() && old.iter().zip(new).all(|(old, new)| self.is_kept(Some(*old), Some(new)))
    }

    // --- questions ----------------------------------------------------------------------------------------------------

    /// What was chosen, as of the last decision.
    pub fn decided(&self, id: u32) -> Option<Decided> {
        let dest = self.dests.get(id as usize)?;
        if let Some(undo) = self.undos.get(dest.undo as usize) {
            return undo.best.map(|best| Decided {
                best,
                second: undo.second(),
            });
        }
        self.chosen(id)
    }

    /// What is chosen, where the prefix isn't dirty.
    pub fn chosen(&self, id: u32) -> Option<Decided> {
        let dest = self.dests.get(id as usize)?;
        let best = *dest.slots.get(dest.best as usize)?;
        let second = dest.slots.get(dest.second as usize).copied();
        Some(Decided { best, second })
    }

    /// The multipath set without the best, by next hop and peer; as of the last decision.
    pub fn equals(&self, id: u32) -> Vec<Slot> {
        let Some(dest) = self.dests.get(id as usize) else {
            return Vec::new();
        };
        match self.undos.get(dest.undo as usize) {
            Some(undo) => undo.more.iter().flat_map(|more| &more.equal).copied().collect(),
            None if dest.is_multi => self.others(dest).into_vec(),
            None => Vec::new(),
        }
    }

    /// Every path that takes part, as of now: the best first, then in the order in which they lost, the latest first, each with the round in which it
    /// lost and whether it is of the multipath set.
    pub fn ranking(&self, id: u32) -> Vec<(&Slot, Option<&'static str>, bool)> {
        let Some(dest) = self.dests.get(id as usize) else {
            return Vec::new();
        };
        let (candidates, places) = self.candidates(dest, |_, _| true);
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
        (0..=width(host.version))
            .rev()
            .filter(|n| lengths[usize::from(*n)] > 0)
            .find_map(|n| {
                let id = self.find(&Prefix::new(host.version, host.bits, n))?;
                self.decided(id).map(|_| id)
            })
    }

    /// A path as policies see it.
    pub fn path(&self, slot: &Slot) -> Path {
        Path {
            source: Arc::clone(self.sources.get(slot.source)),
            attributes: self.blocks.attributes(self.block(slot)),
            weight: self.weight(slot),
        }
    }
}
