//! Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker (RFC 4271 section 3.2). Bytes in, bytes out; no I/O, no clock.
//!
//! ```text
//!   bytes ── adj_in: judge ──> loc: candidates ── decision ──> best ── export ──> adj_out: groups ── stream ──> bytes
//! ```
//!
//! All results hang on the present state alone: `tests/bgp/test_rib.py` compares each state with one built fresh.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::attributes::AsPath;
use crate::attributes::Interner;
use crate::policy::parse::parse_config;
use crate::policy::{CountBy, OverLimit, OwnBest, PeerConfig, Tags};
use crate::prefix::Prefix;
use crate::wire::{NotificationError, ParseOptions, Update, Updates, notification::code};

pub mod adj_in;
pub mod adj_out;
pub mod decision;
pub mod explain;
pub mod export;
pub mod loc;
pub mod own;
pub mod stream;
pub mod view;

#[cfg(test)]
mod tests;

use adj_in::{AdjIn, InRoute, Placed, is_same_for_all_prefixes, judge};
use adj_out::Group;
use decision::Decision;
use export::{Audience, Identity, SessionOptions};
use loc::{Loc, Source};
pub use view::{Counts, Route};

/// Cease/1: Maximum Number of Prefixes Reached (RFC 4486 section 4).
const MAXIMUM_PREFIXES: u8 = 1;

struct Peer {
    config: PeerConfig,
    source: Arc<Source>,
    /// While the session is Established: what was agreed on, and the update group.
    session: Option<(SessionOptions, u32)>,
    adj_in: AdjIn,
}

/// The RIBs of one speaker.
pub struct Rib {
    us: Identity,
    decision: Decision,
    tags: Tags,
    interner: Interner,
    peers: BTreeMap<u32, Peer>,
    own_sources: FxHashMap<Vec<u32>, Arc<Source>>,
    loc: Loc,
    groups: BTreeMap<u32, Group>,
    version: u64,
    /// Changed prefixes since they were last asked for, once somebody asked.
    changes: Option<Vec<Prefix>>,
    updates_in: u64,
    updates_out: u64,
}

/// A request that can't be met: no such peer, or a bad configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestError(pub String);

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RequestError {}

impl Rib {
    /// An empty one.
    pub fn new(asn: u32, router_id: Ipv4Addr, cluster_id: Option<Ipv4Addr>, decision: Decision) -> Self {
        Self {
            us: Identity {
                asn,
                router_id,
                cluster_id: cluster_id.unwrap_or(router_id),
            },
            decision,
            tags: Tags::default(),
            interner: Interner::new(),
            peers: BTreeMap::new(),
            own_sources: FxHashMap::default(),
            loc: Loc::default(),
            groups: BTreeMap::new(),
            version: 0,
            changes: None,
            updates_in: 0,
            updates_out: 0,
        }
    }

    /// Other rounds: all is decided anew.
    pub fn set_decision<S: AsRef<str>>(&mut self, rounds: &[S], preference: &str) -> Result<(), RequestError> {
        let decision = Decision::new(rounds, preference, self.decision.multipath()).map_err(RequestError)?;
        if decision != self.decision {
            self.decision = decision;
            self.loc.touch_all();
        }
        Ok(())
    }

    // --- peers --------------------------------------------------------------------------------------------------------

    /// Add a peer, or change one: what it sent is judged anew, what it is told follows. An equal configuration changes nothing.
    pub fn set_peer(&mut self, number: u32, text: &str) -> Result<(), RequestError> {
        if i32::try_from(number).is_err() {
            return Err(RequestError(format!("{number} is too great for a peer's number")));
        }
        let config = parse_config(text, &mut self.tags).map_err(RequestError)?;
        if config.own == OwnBest::Second {
            self.loc.keep_second();
        }
        let Some(peer) = self.peers.get_mut(&number) else {
            let source = source_of(number, &config, Ipv4Addr::UNSPECIFIED);
            let peer = Peer {
                config,
                source: Arc::new(source),
                session: None,
                adj_in: AdjIn::default(),
            };
            self.peers.insert(number, peer);
            return Ok(());
        };
        if peer.config == config {
            return Ok(());
        }
        let old = std::mem::replace(&mut peer.config, config);
        let source = source_of(number, &peer.config, peer.source.router_id);
        let is_same_source = source == *peer.source;
        if !is_same_source {
            peer.source = Arc::new(source);
        }
        if !is_same_source || is_judged_otherwise(&old, &peer.config) {
            self.judge_anew(number);
        }
        self.regroup(number);
        Ok(())
    }

    /// Forget a peer and all that it announced.
    pub fn remove_peer(&mut self, number: u32) -> Result<(), RequestError> {
        self.peer_down(number)?;
        self.peers.remove(&number);
        Ok(())
    }

    /// The session is Established.
    pub fn peer_up(
        &mut self,
        number: u32,
        four_octet: bool,
        families: &[(u16, u8)],
        max_message: usize,
        router_id: Ipv4Addr,
    ) -> Result<(), RequestError> {
        self.peer_down(number)?;
        let session = SessionOptions {
            four_octet,
            ipv4: families.contains(&(1, 1)),
            ipv6: families.contains(&(2, 1)),
            max_message,
        };
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        if peer.source.router_id != router_id {
            peer.source = Arc::new(source_of(number, &peer.config, router_id));
        }
        let audience = Audience::new(&peer.config, session);
        let mut end_of_rib: Vec<(u16, u8)> = families.iter().filter(|f| matches!(f, (1 | 2, 1))).copied().collect();
        end_of_rib.sort_unstable();
        end_of_rib.dedup();
        let group = self.group(audience);
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.session = Some((session, group));
        }
        if let Some(group) = self.groups.get_mut(&group) {
            group.join(number, end_of_rib);
        }
        Ok(())
    }

    /// The session is gone, and with it all that the peer announced and was told.
    pub fn peer_down(&mut self, number: u32) -> Result<(), RequestError> {
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        for (prefix, path) in peer.adj_in.clear() {
            self.loc.set(prefix, number as i32, path);
        }
        if let Some((_, group)) = peer.session.take() {
            self.leave(number, group);
        }
        Ok(())
    }

    /// The update group of this key, a new one if need be.
    fn group(&mut self, audience: Audience) -> u32 {
        if let Some((number, _)) = self.groups.iter().find(|(_, group)| group.audience == audience) {
            return *number;
        }
        let number = self.groups.keys().next_back().map_or(0, |last| last + 1);
        let group = Group::new(audience, &self.loc, &self.us, &mut self.interner);
        self.groups.insert(number, group);
        number
    }

    fn leave(&mut self, number: u32, group: u32) {
        if let Some(former) = self.groups.get_mut(&group) {
            former.leave(number);
            if former.members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Its export policy may be another: go over to the group that fits.
    fn regroup(&mut self, number: u32) {
        let Some(peer) = self.peers.get(&number) else { return };
        let Some((session, former_number)) = peer.session else { return };
        let audience = Audience::new(&peer.config, session);
        let now = self.group(audience);
        if now == former_number {
            return;
        }
        let Some(mut former) = self.groups.remove(&former_number) else {
            return;
        };
        if let (Some(cursor), Some(group)) = (former.leave(number), self.groups.get_mut(&now)) {
            group.move_in(number, cursor, &former);
        }
        if !former.members.is_empty() {
            self.groups.insert(former_number, former);
        }
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.session = Some((session, now));
        }
    }

    // --- what comes in ------------------------------------------------------------------------------------------------

    /// Whole UPDATE messages of a peer. An error resets the session; what came before it counts until `peer_down`.
    pub fn receive(&mut self, number: u32, updates: &[u8]) -> Result<Result<(), NotificationError>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let (session, _) = peer.session.ok_or_else(|| RequestError(format!("peer {number} is not up")))?;
        let options = ParseOptions {
            four_octet: session.four_octet,
            ebgp: peer.config.ebgp,
        };
        for update in Updates::new(updates, options) {
            let result = update.and_then(|update| self.take_in(number, update));
            if let Err(error) = result {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn take_in(&mut self, number: u32, update: Update) -> Result<(), NotificationError> {
        self.updates_in += 1;
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        let mut placed = Vec::new();
        for prefix in update.withdrawn {
            placed.extend(peer.adj_in.withdraw(prefix));
        }
        let looped = update
            .attributes
            .as_ref()
            .is_some_and(|a| a.as_path.count(self.us.asn) > peer.config.allowas_in);
        let (announced, over) = match peer.config.max_prefixes {
            Some(max) if max.action != OverLimit::Teardown => (peer.adj_in.limit(update.announced, max.limit as usize, max.action), None),
            _ => {
                let over = peer.over_limit(&update.announced, looped);
                (update.announced, over)
            }
        };
        if let (None, Some(attributes)) = (&over, update.attributes) {
            let route = InRoute::new(self.interner.intern(attributes), update.treat_as_withdraw.as_deref());
            let is_same = is_same_for_all_prefixes(&peer.config);
            let mut known = None;
            for prefix in announced {
                let judged = match (&known, is_same) {
                    (Some(judged), true) => adj_in::for_prefix(judged, prefix),
                    _ => peer.judge(&self.us, prefix, &route),
                };
                if is_same && known.is_none() {
                    known = Some(judged.clone());
                }
                placed.extend(peer.adj_in.place(prefix, route.clone(), judged, &peer.source, &mut self.interner));
            }
        }
        self.settle(number, placed);
        over.map_or(Ok(()), Err)
    }

    /// Judge all that a peer announced.
    fn judge_anew(&mut self, number: u32) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let mut placed = Vec::new();
        for prefix in peer.adj_in.prefixes() {
            let Some(route) = peer.adj_in.routes.get(&prefix).cloned() else {
                continue;
            };
            let judged = peer.judge(&self.us, prefix, &route);
            placed.extend(peer.adj_in.place(prefix, route, judged, &peer.source, &mut self.interner));
        }
        self.settle(number, placed);
    }

    /// Let candidates take and leave their places; a peer's own route that a summary hid comes to light again.
    fn settle(&mut self, number: u32, placed: Vec<Placed>) {
        for (prefix, mut path) in placed {
            if let (None, Some(peer)) = (&path, self.peers.get_mut(&number))
                && peer.adj_in.is_direct(&prefix)
                && let Some(route) = peer.adj_in.routes.get(&prefix).cloned()
            {
                let judged = peer.judge(&self.us, prefix, &route);
                let again = peer.adj_in.place(prefix, route, judged, &peer.source, &mut self.interner);
                path = again.into_iter().find(|(p, _)| *p == prefix).and_then(|(_, path)| path);
            }
            self.loc.set(prefix, number as i32, path);
        }
    }

    /// Decide what is dirty; how many prefixes have another best or multipath set now.
    pub fn process(&mut self) -> usize {
        let changes = self.loc.decide(&self.decision);
        if !changes.told.is_empty() {
            for group in self.groups.values_mut() {
                group.update(&changes.told, &self.loc, &self.us, &mut self.interner);
            }
        }
        if !changes.visible.is_empty() {
            self.version += 1;
        }
        let count = changes.visible.len();
        if let Some(recorded) = &mut self.changes {
            recorded.extend(changes.visible);
            if recorded.len() > 2 * self.loc.len() + 65_536 {
                recorded.sort_unstable();
                recorded.dedup();
            }
        }
        count
    }

    /// Grows whenever a best or multipath set changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Prefixes whose best or multipath set changed since the last call, sorted.
    pub fn changes(&mut self) -> Vec<Prefix> {
        let mut changes = self.changes.replace(Vec::new()).unwrap_or_default();
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    // --- what goes out ------------------------------------------------------------------------------------------------

    /// Whole messages that are to be sent next, about as many octets as asked for, and one message at least where there is one.
    pub fn output(&mut self, number: u32, max_bytes: usize) -> Result<Vec<u8>, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let group = peer.session.and_then(|(_, group)| self.groups.get_mut(&group));
        let out = group.map(|group| group.output(number, max_bytes)).unwrap_or_default();
        let mut at = 0;
        while let Some([high, low]) = out.get(at + 16..at + 18) {
            at += usize::from(u16::from_be_bytes([*high, *low]));
            self.updates_out += 1;
        }
        Ok(out)
    }

    /// Peers that `output` has something for, ascending.
    pub fn pending(&mut self) -> Vec<u32> {
        let mut all: Vec<u32> = self.groups.values_mut().flat_map(Group::pending).collect();
        all.sort_unstable();
        all
    }

    /// The peer asks for all of a family again (RFC 2918).
    pub fn refresh(&mut self, number: u32, afi: u16, safi: u8) -> Result<(), RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let version = match (afi, safi) {
            (1, 1) => 4,
            (2, 1) => 6,
            _ => return Ok(()), // RFC 2918 section 4: a family that was not agreed on is ignored.
        };
        if let Some(group) = peer.session.and_then(|(_, group)| self.groups.get_mut(&group)) {
            group.refresh(number, version);
        }
        Ok(())
    }
}

impl Peer {
    fn judge(&self, us: &Identity, prefix: Prefix, route: &InRoute) -> adj_in::Judged {
        judge(&self.config, us, prefix, &route.received, route.invalid.as_deref(), &mut None)
    }

    /// Whether these would be too many (R87, RFC 4486 section 4). All that is kept counts, refused or not; but Azure drops a route that holds its
    /// own ASN before it counts (R99).
    fn over_limit(&self, announced: &[Prefix], looped: bool) -> Option<NotificationError> {
        let max = self.config.max_prefixes.filter(|_| !announced.is_empty())?;
        let limit = max.limit as usize;
        let held = self.adj_in.routes.len();
        if held + announced.len() <= limit {
            return None;
        }
        let count = match max.count {
            CountBy::Azure if looped => return None,
            CountBy::Azure => held - self.adj_in.looped() + announced.len(),
            CountBy::Held => {
                let mut new: Vec<&Prefix> = announced.iter().filter(|p| !self.adj_in.routes.contains_key(p)).collect();
                new.sort_unstable();
                new.dedup();
                held + new.len()
            }
        };
        let afi = announced.first().map_or(1, Prefix::afi);
        let data = [&afi.to_be_bytes()[..], &[1], &max.limit.to_be_bytes()].concat();
        let reason = format!("{count} prefixes, limit {limit}");
        (count > limit).then(|| NotificationError::new(code::CEASE, MAXIMUM_PREFIXES, data, reason))
    }
}

/// What the paths of a peer know of it.
fn source_of(number: u32, config: &PeerConfig, router_id: Ipv4Addr) -> Source {
    Source {
        peer: number as i32,
        asn: config.asn,
        ebgp: config.ebgp,
        client: config.reflector_client,
        usable: config.usable,
        class: config.route_class,
        address: Some(config.peer_address),
        router_id,
        tags: config.tags.clone(),
    }
}

/// Whether routes may be judged otherwise, all that `Source` holds aside.
fn is_judged_otherwise(a: &PeerConfig, b: &PeerConfig) -> bool {
    let facts = |c: &PeerConfig| -> (u32, usize, bool, IpAddr) { (c.weight, c.allowas_in, c.discard_med, c.local_address) };
    facts(a) != facts(b) || a.checks != b.checks || a.import != b.import
}

fn no_peer(number: u32) -> RequestError {
    RequestError(format!("no peer {number}"))
}
