//! Paths that were let in, by prefix, and what was chosen of them: the Loc-RIB (RFC 4271 section 3.2).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::decision::Decision;
use crate::attributes::Attributes;
use crate::policy::{RouteClass, Tag};
use crate::prefix::{Prefix, width};

/// The number that stands for ourselves among peers.
pub const OURSELVES: i32 = -1;

/// Where a path comes from: all that decision and policies ask of a peer. Shared by its paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The peer's number, or `OURSELVES`.
    pub peer: i32,
    /// Its AS number.
    pub asn: u32,
    /// Whether it is external; false for ourselves.
    pub ebgp: bool,
    /// Whether it is our route reflector client.
    pub client: bool,
    /// Whether its next hops can be used.
    pub usable: bool,
    /// For the rounds of the routing preference.
    pub class: RouteClass,
    /// Its address; None for ourselves.
    pub address: Option<IpAddr>,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// What `from` compares with.
    pub tags: Vec<Tag>,
}

impl Source {
    /// Whether it is ourselves.
    pub fn is_own(&self) -> bool {
        self.peer == OURSELVES
    }
}

/// One path to one prefix.
#[derive(Clone, Debug)]
pub struct Path {
    /// Where it comes from.
    pub source: Arc<Source>,
    /// Its attributes after import.
    pub attributes: Arc<Attributes>,
    /// Its weight after import.
    pub weight: u32,
}

impl Path {
    /// Whether it is the same route, whatever else is known of its source.
    pub fn is_same_route(&self, other: &Path) -> bool {
        self.source.peer == other.source.peer && self.weight == other.weight && same(&self.attributes, &other.attributes)
    }

    fn is_same(&self, other: &Path) -> bool {
        self.is_same_route(other) && Arc::ptr_eq(&self.source, &other.source)
    }
}

/// Whether two blocks are equal; blocks of one interner mostly are one.
pub fn same(a: &Arc<Attributes>, b: &Arc<Attributes>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// One destination.
#[derive(Default, Debug)]
pub struct Destination {
    /// All paths that were let in, by peer.
    pub paths: Vec<Path>,
    /// As of the last decision.
    pub best: Option<Path>,
    /// The others of the multipath set, by next hop and peer; as of the last decision.
    pub equal: Vec<Path>,
    /// The best of the paths of others than the best one's source, where `Loc::keep_second` was asked for; as of the last decision.
    pub second: Option<Path>,
    dirty: bool,
}

/// What one round of decisions changed.
#[derive(Default, Debug)]
pub struct Changes {
    /// Prefixes with another best or multipath set, sorted.
    pub visible: Vec<Prefix>,
    /// Prefixes whose best route is to be told anew, sorted: those of another best or second, or of one whose source changed.
    pub told: Vec<Prefix>,
}

/// All destinations.
#[derive(Default, Debug)]
pub struct Loc {
    destinations: FxHashMap<Prefix, Destination>,
    dirty: Vec<Prefix>,
    /// How many prefixes of each length have a best route, for longest match: IPv4, IPv6.
    lengths: [Vec<usize>; 2],
    paths: usize,
    keeps_second: bool,
}

impl Loc {
    /// The destination, where there is one.
    pub fn get(&self, prefix: &Prefix) -> Option<&Destination> {
        self.destinations.get(prefix)
    }

    /// The best route as of the last decision.
    pub fn best(&self, prefix: &Prefix) -> Option<&Path> {
        self.destinations.get(prefix)?.best.as_ref()
    }

    /// The best of the others' paths as of the last decision; None before `keep_second`.
    pub fn second(&self, prefix: &Prefix) -> Option<&Path> {
        self.destinations.get(prefix)?.second.as_ref()
    }

    /// Somebody is to be told the second best: from the next decision on it is known.
    pub fn keep_second(&mut self) {
        if !self.keeps_second {
            self.keeps_second = true;
            self.touch_all();
        }
    }

    /// Number of destinations.
    pub fn len(&self) -> usize {
        self.destinations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.destinations.is_empty()
    }

    /// Number of paths.
    pub fn paths(&self) -> usize {
        self.paths
    }

    /// All prefixes, sorted.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut all: Vec<Prefix> = self.destinations.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Put in the path of a peer, change it, or take it away.
    pub fn set(&mut self, prefix: Prefix, peer: i32, path: Option<Path>) {
        let destination = match &path {
            Some(_) => self.destinations.entry(prefix).or_default(),
            None => match self.destinations.get_mut(&prefix) {
                Some(destination) => destination,
                None => return,
            },
        };
        let place = destination.paths.binary_search_by_key(&peer, |p| p.source.peer);
        match (place, path) {
            (Ok(at), Some(path)) if destination.paths[at].is_same(&path) => return,
            (Ok(at), Some(path)) => destination.paths[at] = path,
            (Ok(at), None) => {
                destination.paths.remove(at);
                self.paths -= 1;
            }
            (Err(at), Some(path)) => {
                destination.paths.insert(at, path);
                self.paths += 1;
            }
            (Err(_), None) => return,
        }
        if !destination.dirty {
            destination.dirty = true;
            self.dirty.push(prefix);
        }
    }

    /// All is to be decided anew.
    pub fn touch_all(&mut self) {
        for (prefix, destination) in &mut self.destinations {
            if !destination.dirty {
                destination.dirty = true;
                self.dirty.push(*prefix);
            }
        }
    }

    /// Decide what is dirty.
    pub fn decide(&mut self, decision: &Decision) -> Changes {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        let mut changes = Changes::default();
        for prefix in dirty {
            let Some(destination) = self.destinations.get_mut(&prefix) else {
                continue;
            };
            destination.dirty = false;
            let had = destination.best.is_some();
            let (visible, told) = destination.decide(decision, self.keeps_second);
            if visible {
                changes.visible.push(prefix);
            }
            if told {
                changes.told.push(prefix);
            }
            let has = destination.best.is_some();
            if had != has {
                let lengths = &mut self.lengths[usize::from(prefix.version != 4)];
                lengths.resize(usize::from(width(prefix.version)) + 1, 0);
                let count = &mut lengths[usize::from(prefix.length)];
                *count = if has { *count + 1 } else { *count - 1 };
            }
            if destination.paths.is_empty() {
                self.destinations.remove(&prefix);
            }
        }
        changes
    }

    /// The destination of the longest prefix with a best route that covers the address.
    pub fn lookup(&self, address: IpAddr) -> Option<(Prefix, &Destination)> {
        let host = Prefix::host(address);
        let lengths = &self.lengths[usize::from(host.version != 4)];
        (0..lengths.len()).rev().filter(|length| lengths[*length] > 0).find_map(|length| {
            let prefix = Prefix::new(host.version, host.bits, length as u8);
            let destination = self.destinations.get(&prefix)?;
            destination.best.as_ref().map(|_| (prefix, destination))
        })
    }
}

impl Destination {
    /// Choose; whether best or multipath set are others now, and whether the best is to be told anew.
    fn decide(&mut self, decision: &Decision, keeps_second: bool) -> (bool, bool) {
        let chosen = decision.decide(&self.paths);
        let best = chosen.best.map(|i| self.paths[i].clone());
        let mut equal: Vec<Path> = Vec::new();
        if chosen.equal.len() > 1 {
            let others = chosen.equal.iter().filter(|i| Some(**i) != chosen.best);
            equal.extend(others.map(|i| self.paths[*i].clone()));
            equal.sort_by_key(|path| (path.attributes.next_hop, path.source.peer));
        }
        let second = chosen.best.filter(|_| keeps_second && self.paths.len() > 1).and_then(|best| {
            let others: Vec<Path> = self
                .paths
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != best)
                .map(|(_, p)| p.clone())
                .collect();
            decision.decide(&others).best.map(|i| others[i].clone())
        });
        let kept = is_kept(&self.best, &best);
        let is_told_again = |old: &Option<Path>, new: &Option<Path>| {
            !is_kept(old, new) || matches!((old, new), (Some(old), Some(new)) if !Arc::ptr_eq(&old.source, &new.source))
        };
        let told = is_told_again(&self.best, &best) || is_told_again(&self.second, &second);
        let equal_kept = self.equal.len() == equal.len() && self.equal.iter().zip(&equal).all(|(a, b)| a.is_same_route(b));
        self.best = best;
        self.equal = equal;
        self.second = second;
        (!kept || !equal_kept, told)
    }
}

fn is_kept(old: &Option<Path>, new: &Option<Path>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.is_same_route(new),
        (old, new) => old.is_none() && new.is_none(),
    }
}
