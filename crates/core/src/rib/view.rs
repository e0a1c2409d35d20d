//! Questions to the RIBs, answered with copies in a stated order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::adj_in::InRoute;
use super::adj_out::view;
use super::decision::DEFAULT_LOCAL_PREFERENCE;
use super::loc::{Destination, Path, Source};
use super::{Peer, RequestError, Rib, no_peer};
use crate::attributes::{AsPath, Attributes, community_text, large_community_text};
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

    fn path_route(&self, prefix: Prefix, path: &Path) -> Route {
        self.route(prefix, &path.attributes, &path.source, path.weight)
    }

    fn in_route(&self, prefix: Prefix, route: &InRoute, peer: &Peer) -> Route {
        let mut row = self.route(prefix, &route.received, &peer.source, peer.config.weight);
        if let Some(refused) = &route.refused {
            row.reason = Some(refused.why.reason.clone());
            row.detail = Some(refused.why.detail.clone());
        }
        row
    }

    /// Every path that was let in, by prefix; of one the best first, then in the order in which they lost, the latest round first.
    pub fn candidates(&self, prefix: Option<Prefix>) -> Vec<Route> {
        let prefixes = prefix.map_or_else(|| self.loc.prefixes(), |prefix| vec![prefix]);
        let mut rows = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            let Some(destination) = self.loc.get(&prefix) else { continue };
            let chosen = self.decision.decide(&destination.paths);
            for place in chosen.order() {
                let mut row = self.path_route(prefix, &destination.paths[place]);
                row.best = chosen.best == Some(place);
                row.multipath = chosen.equal.contains(&place);
                row.lost_in = self.decision.lost_in(&chosen, place);
                rows.push(row);
            }
        }
        rows
    }

    /// The Loc-RIB in bulk, sorted by prefix.
    pub fn best(&self) -> Vec<BestRow> {
        let row = |path: &Path| (path.attributes.next_hop, path.source.peer, path.attributes.as_path.length());
        let prefixes = self.loc.prefixes().into_iter();
        let found = prefixes.filter_map(|prefix| {
            let Destination { best, equal, .. } = self.loc.get(&prefix)?;
            Some((prefix, best.iter().map(row).chain(equal.iter().map(row)).collect::<Vec<_>>()))
        });
        found.filter(|(_, rows)| !rows.is_empty()).collect()
    }

    /// The multipath set of the longest prefix that covers the address, the best first.
    pub fn lookup(&self, address: IpAddr) -> Vec<Route> {
        let Some((prefix, destination)) = self.loc.lookup(address) else {
            return Vec::new();
        };
        let all = destination.best.iter().chain(&destination.equal);
        let mut rows: Vec<Route> = all.map(|path| self.path_route(prefix, path)).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row.best = i == 0;
            row.multipath = true;
        }
        rows
    }

    /// What the peer announced and the checks let in, as it was before the rules ran.
    pub fn received(&self, number: u32, prefix: Option<Prefix>) -> Result<Vec<Route>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let prefixes = prefix.map_or_else(|| peer.adj_in.prefixes(), |prefix| vec![prefix]);
        let routes = prefixes
            .into_iter()
            .filter_map(|prefix| Some((prefix, peer.adj_in.routes.get(&prefix)?)));
        let let_in = routes.filter(|(_, route)| route.refused.as_ref().is_none_or(|r| r.by_rule));
        Ok(let_in.map(|(prefix, route)| self.in_route(prefix, route, peer)).collect())
    }

    /// What was refused by a check, a rule or RFC 7606, as received; by peer and prefix.
    pub fn rejected(&self, number: Option<u32>) -> Result<Vec<Route>, RequestError> {
        let numbers: Vec<u32> = match number {
            Some(number) if !self.peers.contains_key(&number) => return Err(no_peer(number)),
            Some(number) => vec![number],
            None => self.peers.keys().copied().collect(),
        };
        let mut rows = Vec::new();
        for peer in numbers.iter().filter_map(|number| self.peers.get(number)) {
            for prefix in peer.adj_in.prefixes() {
                if let Some(route) = peer.adj_in.routes.get(&prefix).filter(|route| route.refused.is_some()) {
                    rows.push(self.in_route(prefix, route, peer));
                }
            }
        }
        Ok(rows)
    }

    /// The Adj-RIB-Out of a peer, sorted: what it was told, or is to be told next.
    pub fn advertised(&self, number: u32, prefix: Option<Prefix>) -> Result<Vec<Route>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let Some(group) = peer.session.and_then(|(_, group)| self.groups.get(&group)) else {
            return Ok(Vec::new());
        };
        let mut prefixes: Vec<Prefix> = prefix.map_or_else(|| group.table.keys().copied().collect(), |prefix| vec![prefix]);
        prefixes.sort_unstable();
        let told = prefixes
            .into_iter()
            .filter_map(|prefix| Some((prefix, view(group.table.get(&prefix), number as i32)?)));
        Ok(told
            .map(|(prefix, out)| self.route(prefix, &out.attributes, &out.source, 0))
            .collect())
    }

    /// Prefixes of a peer beyond a limit that doesn't end the session, since it began.
    pub fn over_limit(&self, number: u32) -> Result<u64, RequestError> {
        Ok(self.peers.get(&number).ok_or_else(|| no_peer(number))?.adj_in.over)
    }

    /// How many routes of a peer there are, without looking at each one's text.
    pub fn counts(&self, number: u32) -> Result<Counts, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let rejected = peer.adj_in.refusals();
        let group = peer.session.and_then(|(_, group)| self.groups.get(&group));
        Ok(Counts {
            accepted: peer.adj_in.routes.len() as u64 - rejected.values().sum::<u64>(),
            rejected,
            advertised: group.map_or(0, |group| group.count(number)) as u64,
            over_limit: peer.adj_in.over,
        })
    }

    /// Numbers for people.
    pub fn statistics(&self) -> BTreeMap<&'static str, u64> {
        let rejected: usize = self.peers.values().map(|peer| peer.adj_in.refused()).sum();
        BTreeMap::from([
            ("prefixes", self.loc.len() as u64),
            ("paths", self.loc.paths() as u64),
            ("attributes", self.interner.live() as u64),
            ("rejected", rejected as u64),
            ("update_groups", self.groups.len() as u64),
            ("updates_in", self.updates_in),
            ("updates_out", self.updates_out),
        ])
    }
}
