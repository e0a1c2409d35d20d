//! Questions to the RIBs, answered with copies in a stated order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::loc::{Slot, flag};
use super::source::Source;
use super::{Peer, RequestError, Rib, no_peer};
use crate::attributes::{AsPath, Attributes, community_text, large_community_text};
use crate::block::DEFAULT_LOCAL_PREFERENCE;
use crate::prefix::Prefix;

/// One path to one prefix, as a RIB holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub prefix: Prefix,
    pub next_hop: String,
    pub as_path: String,
    pub as_path_length: usize,
    pub origin: &'static str,
    pub med: Option<u32>,
    pub local_preference: u32,
    pub weight: u32,
    pub communities: Vec<String>,
    pub large_communities: Vec<String>,
    /// -1: originated here.
    pub peer: i32,
    pub tags: Vec<String>,
    pub best: bool,
    /// The best and those equal to it before the tie-breakers.
    pub multipath: bool,
    /// The round in which it lost.
    pub lost_in: Option<&'static str>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The term's name, or what was wrong.
    pub detail: Option<String>,
}

/// How many routes of one peer there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Let in by checks and rules.
    pub accepted: u64,
    /// Refused, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// What it was told, or is to be told next.
    pub advertised: u64,
    /// Announced beyond a limit that doesn't end the session, since it began.
    pub over_limit: u64,
}

/// One row of the Loc-RIB: (next hop, peer or -1, AS path length) of the multipath set, the best first, the rest by next hop.
pub type BestRow = (Prefix, Vec<(IpAddr, i32, usize)>);

impl Rib {
    fn route(&self, prefix: Prefix, a: &Attributes, source: &Source, weight: u32) -> Route {
        Route {
            prefix,
            next_hop: a.next_hop.to_string(),
            as_path: a.as_path.text(),
            as_path_length: a.as_path.length(),
            origin: a.origin.name(),
            med: a.med,
            local_preference: a.local_preference.unwrap_or(DEFAULT_LOCAL_PREFERENCE),
            weight,
            communities: a.communities.iter().map(|c| community_text(*c)).collect(),
            large_communities: a.large_communities.iter().map(|c| large_community_text(*c)).collect(),
            peer: source.peer,
            tags: source.tags.iter().map(|tag| self.tags.name(*tag).to_string()).collect(),
            best: false,
            multipath: false,
            lost_in: None,
            reason: None,
            detail: None,
        }
    }

    fn path_route(&self, prefix: Prefix, slot: &Slot) -> Route {
        let path = self.loc.path(slot);
        self.route(prefix, &path.attributes, &path.source, path.weight)
    }

    fn in_route(&self, prefix: Prefix, slot: &Slot, peer: &Peer) -> Route {
        let source = self.loc.sources.get(slot.source);
        let mut row = self.route(prefix, &self.loc.blocks.attributes(slot.received), source, peer.config.weight);
        if let Some(refused) = self.loc.outcome(slot).and_then(|outcome| outcome.refused.as_ref()) {
            row.reason = Some(refused.why.reason.clone());
            row.detail = Some(refused.why.detail.clone());
        }
        row
    }

    /// Every path that was let in, by prefix; of one the best first, then in the order in which they lost, the latest round first.
    pub fn candidates(&self, prefix: Option<Prefix>) -> Vec<Route> {
        let prefixes = match prefix {
            Some(prefix) => self.loc.find(&prefix).map(|id| (prefix, id)).into_iter().collect(),
            None => self.loc.sorted(self.loc.ids()),
        };
        let mut rows = Vec::with_capacity(prefixes.len());
        for (prefix, id) in prefixes {
            for (i, (slot, lost_in, is_multipath)) in self.loc.ranking(id).into_iter().enumerate() {
                let mut row = self.path_route(prefix, slot);
                row.best = i == 0 && lost_in.is_none();
                row.multipath = is_multipath;
                row.lost_in = lost_in;
                rows.push(row);
            }
        }
        rows
    }

    /// The Loc-RIB in bulk, sorted by prefix.
    pub fn best(&self) -> Vec<BestRow> {
        let row = |slot: &Slot| {
            let head = self.loc.head(slot);
            (head.next_hop, self.loc.sources.peer(slot.source), usize::from(head.path_length))
        };
        let rows = self.loc.sorted(self.loc.ids()).into_iter().filter_map(|(prefix, id)| {
            let best = self.loc.decided(id)?.best;
            let equals = self.loc.equals(id);
            Some((prefix, [best].iter().chain(&equals).map(row).collect()))
        });
        rows.collect()
    }

    /// The multipath set of the longest prefix that covers the address, the best first.
    pub fn lookup(&self, address: IpAddr) -> Vec<Route> {
        let Some(id) = self.loc.lookup(address) else {
            return Vec::new();
        };
        let prefix = self.loc.prefix(id);
        let best = self.loc.decided(id).map(|decided| decided.best);
        let all = best.into_iter().chain(self.loc.equals(id));
        let mut rows: Vec<Route> = all.map(|slot| self.path_route(prefix, &slot)).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row.best = i == 0;
            row.multipath = true;
        }
        rows
    }

    /// What the peer announced and the checks let in, as it was before the rules ran.
    pub fn received(&self, number: u32, prefix: Option<Prefix>) -> Result<Vec<Route>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let is_let_in = |slot: &Slot| {
            let refused = self.loc.outcome(slot).and_then(|outcome| outcome.refused.as_ref());
            refused.is_none_or(|refused| refused.by_rule)
        };
        Ok(self.in_routes(peer, prefix, is_let_in))
    }

    /// Routes that a peer announced, sorted.
    fn in_routes(&self, peer: &Peer, prefix: Option<Prefix>, is_wanted: impl Fn(&Slot) -> bool) -> Vec<Route> {
        let loc = &self.loc;
        let prefixes = match prefix {
            Some(prefix) => loc.find(&prefix).map(|id| (prefix, id)).into_iter().collect(),
            None => loc.sorted(peer.adj_in.held.iter()),
        };
        let slots = prefixes
            .into_iter()
            .filter_map(|(prefix, id)| Some((prefix, self.loc.get(id, peer.source, false)?)));
        let wanted = slots.filter(|(_, slot)| is_wanted(slot));
        wanted.map(|(prefix, slot)| self.in_route(prefix, slot, peer)).collect()
    }

    /// What was refused by a check, a rule or RFC 7606, as received; by peer and prefix.
    pub fn rejected(&self, number: Option<u32>, prefix: Option<Prefix>) -> Result<Vec<Route>, RequestError> {
        let numbers: Vec<u32> = match number {
            Some(number) if !self.peers.contains_key(&number) => return Err(no_peer(number)),
            Some(number) => vec![number],
            None => self.peers.keys().copied().collect(),
        };
        let mut rows = Vec::new();
        for peer in numbers.iter().filter_map(|number| self.peers.get(number)) {
            rows.extend(self.in_routes(peer, prefix, |slot| slot.flags & flag::REFUSED != 0));
        }
        Ok(rows)
    }

    /// The Adj-RIB-Out of a peer, sorted: what it was told, or is to be told next.
    pub fn advertised(&mut self, number: u32, prefix: Option<Prefix>) -> Result<Vec<Route>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let Some(group) = peer.session.and_then(|(_, group)| self.groups.get(&group)) else {
            return Ok(Vec::new());
        };
        let told = group.views(prefix, number as i32, &mut self.loc, &self.us);
        let mut rows = Vec::with_capacity(told.len());
        for (prefix, out) in told {
            let attributes = self.loc.blocks.attributes(out.block);
            rows.push(self.route(prefix, &attributes, self.loc.sources.get(out.source), 0));
        }
        Ok(rows)
    }

    /// Prefixes of a peer beyond a limit that doesn't end the session, since it began.
    pub fn over_limit(&self, number: u32) -> Result<u64, RequestError> {
        Ok(self.peers.get(&number).ok_or_else(|| no_peer(number))?.adj_in.over)
    }

    /// How many routes of a peer there are, without looking at each one's text.
    pub fn counts(&self, number: u32) -> Result<Counts, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let group = peer.session.and_then(|(_, group)| self.groups.get(&group));
        Ok(Counts {
            accepted: peer.adj_in.held.len() as u64 - peer.adj_in.refused(),
            rejected: peer.adj_in.refusals.clone(),
            advertised: group.map_or(0, |group| group.count(number, &self.loc.sources)) as u64,
            over_limit: peer.adj_in.over,
        })
    }

    /// What the session of a peer brought, by name, and how many routes were not told to it as no message of its session can hold them.
    pub fn peer_statistics(&self, number: u32) -> Result<BTreeMap<String, u64>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let mut numbers = peer.adj_in.tally.numbers();
        let group = peer.session.and_then(|(_, group)| self.groups.get(&group));
        numbers.insert("too_long_out".into(), group.map_or(0, |group| group.too_long));
        Ok(numbers)
    }

    fn attributes(&self) -> usize {
        self.loc.blocks.count(|marks| {
            self.loc.name(marks);
            super::name_others(&self.groups, &self.peers, marks);
        })
    }

    /// Numbers for people.
    pub fn statistics(&self) -> BTreeMap<&'static str, u64> {
        let rejected: u64 = self.peers.values().map(|peer| peer.adj_in.refused()).sum();
        BTreeMap::from([
            ("prefixes", self.loc.reachable() as u64),
            ("paths", self.loc.paths() as u64),
            ("attributes", self.attributes() as u64),
            ("rejected", rejected),
            ("update_groups", self.groups.len() as u64),
            ("updates_in", self.updates_in),
            ("updates_out", self.updates_out),
            ("too_long_out", self.groups.values().map(|group| group.too_long).sum()),
        ])
    }
}
