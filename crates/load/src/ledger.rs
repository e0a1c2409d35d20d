//! What each speaker holds, and how many prefixes of it are not what they must be.

use crate::plan::{Own, Plan};
use crate::table::{Prefix, Route, Table};

/// Senders of one prefix that a state has room for.
pub const RANKS: u8 = 14;
const NOTHING: u8 = 0;
const WRONG: u8 = 15; // a path that nobody announced for this prefix, or no longer
const RANK: u8 = 15;

/// What a speaker must hold of the prefixes of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Must {
    state: u8, // the rank and one; 0: nothing
    or_nothing: bool,
}

/// For each speaker and prefix a state: low half 0 or the rank and one, high half the generation.
#[derive(Debug)]
pub struct Ledger {
    held: Vec<Vec<u8>>,
    must: Vec<Must>,
    zones: usize,
    generation: Vec<u8>,
    gone: Vec<bool>,
    alive: Vec<bool>,
    own: Own,
    /// By speaker; those of a lost one don't count.
    pub wrong: Vec<u64>,
    pub all_wrong: u64,
    pub counts: Counts,
}

/// What was seen since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub updates: u64,
    pub announced: u64,
    pub withdrawn: u64,
    pub octets: u64,
    /// Routes told to the one who announced them.
    pub echoes: u64,
    /// Routes with attributes that nobody announced, or for a prefix for which nobody announced them.
    pub unknown: u64,
    pub next_hops: u64,
    pub malformed: u64,
}

impl Ledger {
    /// Nobody holds anything, and nobody shall: see `expect`.
    pub fn new(plan: &Plan, table: &Table) -> Self {
        let (peers, zones) = (plan.peers(), table.zones());
        Self {
            held: vec![vec![NOTHING; table.prefixes.len()]; peers],
            must: vec![
                Must {
                    state: NOTHING,
                    or_nothing: false
                };
                peers * zones
            ],
            zones,
            generation: vec![0; table.prefixes.len()],
            gone: vec![false; table.prefixes.len()],
            alive: vec![true; peers],
            own: plan.own,
            wrong: vec![0; peers],
            all_wrong: 0,
            counts: Counts::default(),
        }
    }

    /// What these senders announce is right from now on.
    pub fn expect(&mut self, table: &Table, announcing: &[bool]) {
        for peer in (0..self.held.len()).filter(|peer| self.alive[*peer]).collect::<Vec<_>>() {
            for zone in 0..self.zones {
                self.must[peer * self.zones + zone] = must(table, announcing, self.own, peer, zone);
            }
            self.count(table, peer);
        }
        self.all_wrong = self.wrong.iter().sum();
    }

    fn count(&mut self, table: &Table, peer: usize) {
        self.wrong[peer] = 0;
        if !self.alive[peer] {
            return;
        }
        for (zone, states) in self.held[peer].chunks(table.zone).enumerate() {
            let must = self.must[peer * self.zones + zone];
            let first = zone * table.zone;
            let right = |(offset, state): &(usize, &u8)| right(must, **state, self.generation[first + offset], self.gone[first + offset]);
            self.wrong[peer] += (states.len() - states.iter().enumerate().filter(right).count()) as u64;
        }
    }

    /// A speaker's session is gone, and with it all that it was told.
    pub fn lost(&mut self, peer: usize) {
        self.alive[peer] = false;
        self.all_wrong -= std::mem::take(&mut self.wrong[peer]);
        self.held[peer].fill(NOTHING);
    }

    /// A speaker was told routes.
    pub fn announced(&mut self, table: &Table, peer: usize, route: Option<Route>, prefixes: impl Iterator<Item = Prefix>) {
        let Some(route) = route else {
            prefixes.for_each(|prefix| self.misplaced(table, peer, prefix));
            return;
        };
        let (start, zone) = (route.start as usize, route.start as usize / table.zone);
        let block = &table.prefixes[start..][..usize::from(route.count)];
        let state = table
            .rank(usize::from(route.sender), zone)
            .map_or(WRONG, |rank| (rank + 1) | route.generation << 4);
        let echo = usize::from(route.sender) == peer;
        let mut next = 0;
        for prefix in prefixes {
            // They mostly come as they were sent; where not, the block is short.
            let found = if block.get(next) == Some(&prefix) {
                Some(next)
            } else {
                block.iter().position(|each| *each == prefix)
            };
            let Some(offset) = found else {
                self.misplaced(table, peer, prefix);
                continue;
            };
            next = offset + 1;
            self.counts.announced += 1;
            self.counts.echoes += u64::from(echo);
            self.set(peer, start + offset, zone, if echo { NOTHING } else { state });
        }
    }

    fn misplaced(&mut self, table: &Table, peer: usize, prefix: Prefix) {
        self.counts.unknown += 1;
        if let Some(number) = table.number(prefix) {
            self.set(peer, number, number / table.zone, WRONG);
        }
    }

    /// A speaker was told that a prefix is gone.
    pub fn withdrawn(&mut self, table: &Table, peer: usize, prefix: Prefix) {
        self.counts.withdrawn += 1;
        match table.number(prefix) {
            Some(number) => self.set(peer, number, number / table.zone, NOTHING),
            None => self.counts.unknown += 1,
        }
    }

    #[inline]
    fn set(&mut self, peer: usize, number: usize, zone: usize, state: u8) {
        if !self.alive[peer] {
            return;
        }
        let before = std::mem::replace(&mut self.held[peer][number], state);
        let must = self.must[peer * self.zones + zone];
        let (generation, gone) = (self.generation[number], self.gone[number]);
        self.judged(peer, right(must, before, generation, gone), right(must, state, generation, gone));
    }

    #[inline]
    fn judged(&mut self, peer: usize, before: bool, after: bool) {
        if before != after {
            self.wrong[peer] = self.wrong[peer] + u64::from(before) - u64::from(after);
            self.all_wrong = self.all_wrong + u64::from(before) - u64::from(after);
        }
    }

    /// A sender announces a prefix anew, or withdraws it: its generation from now on.
    pub fn change(&mut self, table: &Table, number: usize, gone: bool) -> u8 {
        let zone = number / table.zone;
        let old = (self.generation[number], self.gone[number]);
        let new = (if gone { old.0 } else { (old.0 + 1) % 16 }, gone);
        (self.generation[number], self.gone[number]) = new;
        for peer in (0..self.held.len()).filter(|peer| self.alive[*peer]).collect::<Vec<_>>() {
            let (must, state) = (self.must[peer * self.zones + zone], self.held[peer][number]);
            self.judged(peer, right(must, state, old.0, old.1), right(must, state, new.0, new.1));
        }
        new.0
    }

    pub fn is_gone(&self, number: usize) -> bool {
        self.gone[number]
    }

    /// Routes that speakers hold.
    pub fn held(&self) -> u64 {
        self.held
            .iter()
            .map(|states| states.iter().filter(|state| **state != NOTHING).count() as u64)
            .sum()
    }
}

#[inline]
fn right(must: Must, state: u8, generation: u8, gone: bool) -> bool {
    if gone || state == NOTHING {
        return state == NOTHING && (gone || must.state == NOTHING || must.or_nothing);
    }
    state & RANK == must.state && state >> 4 == generation
}

fn must(table: &Table, announcing: &[bool], own: Own, peer: usize, zone: usize) -> Must {
    let ranks: Vec<usize> = table
        .order(zone)
        .enumerate()
        .filter(|(_, sender)| announcing[*sender])
        .map(|(rank, _)| rank)
        .collect();
    let mine = |rank: usize| table.order(zone).nth(rank) == Some(peer);
    let state = |rank: Option<&usize>| rank.map_or(NOTHING, |rank| *rank as u8 + 1);
    match (ranks.first(), own) {
        (Some(best), Own::None) if mine(*best) => Must {
            state: NOTHING,
            or_nothing: false,
        },
        (Some(best), _) if mine(*best) => Must {
            state: state(ranks.get(1)),
            or_nothing: own == Own::Any,
        },
        (best, _) => Must {
            state: state(best),
            or_nothing: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(more: &str) -> (Table, Ledger) {
        let text = format!(
            r#"{{"to": "198.18.0.1:1790", "first_address": "198.18.1.1", "asn": 65000, "first_asn": 100001,
                 "senders": 2, "receivers": 1, "prefixes": 50 {more}}}"#
        );
        let plan = Plan::read(&text).unwrap();
        let mut table = Table::new(&plan).unwrap();
        (0..2).for_each(|sender| drop(table.announce(sender)));
        let mut ledger = Ledger::new(&plan, &table);
        ledger.expect(&table, &[true, true]);
        (table, ledger)
    }

    fn tell(table: &Table, ledger: &mut Ledger, peer: usize, sender: u16, start: u32) {
        let route = Route {
            sender,
            count: 1,
            start,
            generation: 0,
        };
        ledger.announced(table, peer, Some(route), [table.prefixes[start as usize]].into_iter());
    }

    #[test]
    fn all_is_right_when_each_holds_what_the_others_announce_and_not_before() {
        let (table, mut ledger) = setup("");
        assert_eq!(ledger.wrong, [50, 50, 100]);
        (50..100).for_each(|start| tell(&table, &mut ledger, 0, 1, start));
        (0..50).for_each(|start| tell(&table, &mut ledger, 1, 0, start));
        (0..99).for_each(|start| tell(&table, &mut ledger, 2, u16::from(start >= 50), start));
        assert_eq!((ledger.all_wrong, ledger.held()), (1, 199));
        tell(&table, &mut ledger, 2, 1, 99);
        assert_eq!(ledger.all_wrong, 0);
        ledger.withdrawn(&table, 2, table.prefixes[7]);
        assert_eq!(ledger.all_wrong, 1);
    }

    #[test]
    fn a_path_for_a_prefix_for_which_nobody_announced_it_is_wrong() {
        let (table, mut ledger) = setup("");
        tell(&table, &mut ledger, 2, 0, 3);
        assert_eq!(ledger.all_wrong, 199);
        let route = Route {
            sender: 0,
            count: 2,
            start: 10,
            generation: 0,
        };
        ledger.announced(&table, 2, Some(route), [table.prefixes[3]].into_iter());
        assert_eq!((ledger.all_wrong, ledger.counts.unknown), (200, 1));
        ledger.announced(&table, 2, None, [table.prefixes[4]].into_iter());
        assert_eq!((ledger.all_wrong, ledger.counts.unknown), (200, 2));
    }

    #[test]
    fn what_a_speaker_announced_itself_it_must_not_hold() {
        let (table, mut ledger) = setup("");
        tell(&table, &mut ledger, 0, 0, 3);
        assert_eq!((ledger.wrong[0], ledger.counts.echoes), (50, 1));
    }

    #[test]
    fn of_the_same_prefixes_the_shortest_path_of_another_is_right() {
        for (own, second, nothing) in [("none", false, true), ("second", true, false), ("any", true, true)] {
            let (table, mut ledger) = setup(&format!(r#", "table": "same", "preferred": 1, "own": "{own}""#));
            assert_eq!(ledger.wrong[0], 50, "the best is the other's");
            tell(&table, &mut ledger, 2, 0, 3);
            assert_eq!(ledger.wrong[2], 50, "the longer path is wrong");
            tell(&table, &mut ledger, 2, 1, 3);
            assert_eq!(ledger.wrong[2], 49);
            assert_eq!(ledger.wrong[1] == 0, nothing, "{own}");
            let before = ledger.wrong[1];
            tell(&table, &mut ledger, 1, 0, 3);
            assert_eq!(ledger.wrong[1] <= before, second, "{own}");
            ledger.expect(&table, &[true, false]);
            assert_eq!((ledger.wrong[0], ledger.wrong[2]), (0, 50), "{own}");
        }
    }

    #[test]
    fn a_path_of_an_earlier_generation_is_wrong_and_so_is_one_that_was_withdrawn() {
        let (table, mut ledger) = setup("");
        tell(&table, &mut ledger, 2, 0, 3);
        assert_eq!(ledger.change(&table, 3, false), 1);
        assert_eq!(ledger.wrong, [50, 50, 100]);
        tell(&table, &mut ledger, 2, 0, 3);
        assert_eq!(ledger.wrong[2], 100, "that was the first generation again");
        let anew = Route {
            sender: 0,
            count: 1,
            start: 3,
            generation: 1,
        };
        ledger.announced(&table, 2, Some(anew), [table.prefixes[3]].into_iter());
        assert_eq!(ledger.wrong[2], 99);
        ledger.change(&table, 3, true);
        assert_eq!(ledger.wrong, [50, 49, 100]);
        ledger.withdrawn(&table, 2, table.prefixes[3]);
        assert_eq!(ledger.wrong[2], 99);
    }

    #[test]
    fn a_lost_speaker_has_nothing_to_hold() {
        let (table, mut ledger) = setup("");
        ledger.lost(2);
        assert_eq!((ledger.all_wrong, ledger.wrong[2]), (100, 0));
        tell(&table, &mut ledger, 2, 0, 3);
        assert_eq!(ledger.all_wrong, 100);
    }
}
