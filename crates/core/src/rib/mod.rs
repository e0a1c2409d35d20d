//! Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker (RFC 4271 section 3.2). Bytes in, bytes out; no I/O, no clock.
//!
//! ```text
//!   bytes ── adj_in: judge ──> loc: candidates ── decision ──> best ── export ──> adj_out: groups ── stream ──> bytes
//! ```
//!
//! All results hang on the present state alone: `tests/bgp/test_rib.py` compares each state with one built fresh.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rustc_hash::FxHashMap;

use crate::attributes::AsPath;
use crate::block::Marks;
use crate::policy::parse::parse_config;
use crate::policy::{CountBy, OverLimit, OwnBest, PeerConfig, Tags};
use crate::prefix::Prefix;
use crate::wire::fast;
use crate::wire::nlri::version_of;
use crate::wire::refresh;
use crate::wire::update::Families;
use crate::wire::{HEADER_LENGTH, NotificationError, ParseOptions, Update, Updates, framing, message_type, notification::code};

pub mod adj_in;
pub mod adj_out;
pub mod decision;
pub mod explain;
pub mod export;
pub mod ids;
pub mod loc;
pub mod own;
pub mod pages;
pub mod source;
pub mod stream;
pub mod tally;
pub mod view;

#[cfg(test)]
mod tests;

use adj_in::{AdjIn, Intake, is_plain};
use adj_out::Group;
use decision::Decision;
use export::{Audience, Identity, SessionOptions};
use loc::Loc;
use source::Source;
use tally::Tally;
pub use view::{Counts, Route};

/// Cease/1: Maximum Number of Prefixes Reached (RFC 4486 section 4).
const MAXIMUM_PREFIXES: u8 = 1;
/// Cease/8: Out of Resources (RFC 4486 section 4).
const OUT_OF_RESOURCES: u8 = 8;

struct Peer {
    config: PeerConfig,
    /// Its number as a source.
    source: u32,
    router_id: Ipv4Addr,
    /// While the session is Established: what was agreed on, and the update group.
    session: Option<(SessionOptions, u32)>,
    adj_in: AdjIn,
    /// Families whose End-of-RIB came, since somebody asked.
    ended: Vec<(u16, u8)>,
}

/// The RIBs of one speaker.
pub struct Rib {
    us: Identity,
    tags: Tags,
    peers: BTreeMap<u32, Peer>,
    own_sources: FxHashMap<Vec<u32>, u32>,
    loc: Loc,
    groups: BTreeMap<u32, Group>,
    version: u64,
    /// Changed prefixes since they were last asked for, once somebody asked.
    changes: Option<Vec<Prefix>>,
    updates_in: u64,
    updates_out: u64,
    /// Memory that is used again: prefixes of one UPDATE, and its attributes.
    scratch: (Vec<u64>, Vec<u8>),
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
            tags: Tags::default(),
            peers: BTreeMap::new(),
            own_sources: FxHashMap::default(),
            loc: Loc::new(decision),
            groups: BTreeMap::new(),
            version: 0,
            changes: None,
            updates_in: 0,
            updates_out: 0,
            scratch: (Vec::new(), Vec::new()),
        }
    }

    /// Other rounds: all is decided anew.
    pub fn set_decision<S: AsRef<str>>(&mut self, rounds: &[S], preference: &str) -> Result<(), RequestError> {
        let decision = Decision::new(rounds, preference, self.loc.decision().multipath()).map_err(RequestError)?;
        if decision != *self.loc.decision() {
            self.loc.set_decision(decision);
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
            let router_id = Ipv4Addr::UNSPECIFIED;
            let peer = Peer {
                source: self.loc.sources.add(source_of(number, &config, router_id)),
                router_id,
                config,
                session: None,
                adj_in: AdjIn::default(),
                ended: Vec::new(),
            };
            self.peers.insert(number, peer);
            return Ok(());
        };
        if peer.config == config {
            return Ok(());
        }
        let old = std::mem::replace(&mut peer.config, config);
        let is_judged_otherwise = is_judged_otherwise(&old, &peer.config);
        self.is_of_another_source(number, is_judged_otherwise);
        self.regroup(number);
        Ok(())
    }

    /// What a peer's paths know of it may be other things now; with `anew` what it sent is judged anew in any case.
    fn is_of_another_source(&mut self, number: u32, anew: bool) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let source = source_of(number, &peer.config, peer.router_id);
        let is_same = source == **self.loc.sources.get(peer.source);
        if !is_same {
            self.loc.sources.retire(peer.source);
            peer.source = self.loc.sources.add(source);
        }
        if anew || !is_same {
            peer.adj_in.memory.forget();
            self.intake(number, |intake| intake.judge_anew());
        }
    }

    /// Forget a peer and all that it announced.
    pub fn remove_peer(&mut self, number: u32) -> Result<(), RequestError> {
        self.peer_down(number, &[])?;
        if let Some(peer) = self.peers.remove(&number) {
            self.loc.sources.retire(peer.source);
        }
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
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        if peer.session.is_some() {
            self.peer_down(number, &[])?;
        }
        let session = SessionOptions {
            four_octet,
            ipv4: families.contains(&(1, 1)),
            ipv6: families.contains(&(2, 1)),
            max_message,
        };
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        peer.router_id = router_id;
        peer.ended.clear();
        peer.adj_in.tally = Tally::default();
        let audience = Audience::new(&peer.config, session);
        self.is_of_another_source(number, false);
        let mut end_of_rib: Vec<(u16, u8)> = families.iter().filter(|f| matches!(f, (1 | 2, 1))).copied().collect();
        end_of_rib.sort_unstable();
        end_of_rib.dedup();
        let group = self.group(audience);
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.session = Some((session, group));
        }
        if let Some(group) = self.groups.get_mut(&group) {
            group.join(number, end_of_rib, &mut self.loc, &self.us);
        }
        Ok(())
    }

    /// The session is gone, and with it all that the peer was told and announced; of the families to keep what it announced stays as stale, but for what
    /// is stale already (RFC 4724 section 4.2).
    pub fn peer_down(&mut self, number: u32, keep: &[(u16, u8)]) -> Result<(), RequestError> {
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        let session = peer.session.take();
        peer.adj_in.over = 0;
        peer.adj_in.memory.forget();
        self.intake(number, |intake| intake.keep_as_stale(keep));
        if let Some((_, group)) = session {
            self.leave(number, group);
        }
        Ok(())
    }

    /// What a peer announced of a family is stale from now on, until it is announced again.
    pub fn mark_stale(&mut self, number: u32, afi: u16, safi: u8) -> Result<(), RequestError> {
        self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        self.intake(number, |intake| intake.mark_stale(version_of(afi, safi)));
        Ok(())
    }

    /// What is still stale of a family goes; how many routes that were.
    pub fn sweep_stale(&mut self, number: u32, afi: u16, safi: u8) -> Result<usize, RequestError> {
        self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let sweep = |intake: &mut Intake<'_>| {
            intake.adj_in.memory.forget();
            intake.sweep_stale(version_of(afi, safi))
        };
        Ok(self.intake(number, sweep).unwrap_or(0))
    }

    /// Families whose End-of-RIB the peer sent since this was asked last, in the order of their coming.
    pub fn ended(&mut self, number: u32) -> Result<Vec<(u16, u8)>, RequestError> {
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        Ok(std::mem::take(&mut peer.ended))
    }

    /// Do something where a peer's routes come in; None where there is no such peer.
    fn intake<T>(&mut self, number: u32, work: impl FnOnce(&mut Intake<'_>) -> T) -> Option<T> {
        let peer = self.peers.get_mut(&number)?;
        Some(work(&mut Intake {
            config: &peer.config,
            source: peer.source,
            adj_in: &mut peer.adj_in,
            us: &self.us,
            loc: &mut self.loc,
        }))
    }

    /// The update group of this key, a new one if need be.
    fn group(&mut self, audience: Audience) -> u32 {
        if let Some((number, _)) = self.groups.iter().find(|(_, group)| group.audience == audience) {
            return *number;
        }
        let number = self.groups.keys().next_back().map_or(0, |last| last + 1);
        let group = Group::new(audience, &mut self.loc, &self.us);
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
            group.move_in(number, cursor, &former, &mut self.loc, &self.us);
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
            families: Families {
                ipv4: session.ipv4,
                ipv6: session.ipv6,
            },
            rejects_sets: peer.config.reject_as_sets,
        };
        let is_plain = is_plain(&peer.config);
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.adj_in.memory.grow(updates.len());
        }
        let mut rest = updates;
        while !rest.is_empty() {
            let length = match framing::header(rest, true) {
                Ok(Some((message_type::UPDATE, length))) if length <= rest.len() => length,
                _ => rest.len(), // What is wrong is said below.
            };
            let (message, after) = rest.split_at(length);
            rest = after;
            if options.four_octet
                && session.ipv4
                && self.take_fast(number, message.get(HEADER_LENGTH..).unwrap_or_default(), options.ebgp, is_plain)
            {
                continue;
            }
            for update in Updates::new(message, options) {
                if let Err(error) = update.and_then(|update| self.take_in(number, update)) {
                    if let Some(peer) = self.peers.get_mut(&number) {
                        peer.adj_in.tally.failed(&error);
                    }
                    return Ok(Err(error));
                }
            }
        }
        Ok(self.within_memory(number))
    }

    /// Whether the routes of a peer take no more memory than they may; if not, its session has to end (RFC 4486 section 4).
    fn within_memory(&mut self, number: u32) -> Result<(), NotificationError> {
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        let Some(limit) = peer.config.max_memory.filter(|limit| peer.adj_in.memory.may_exceed(*limit)) else {
            return Ok(());
        };
        let takes = peer.adj_in.measure(peer.source, &self.loc);
        peer.adj_in.memory.set(takes);
        if takes <= limit {
            return Ok(());
        }
        let reason = format!("its routes take {} KiB of memory, limit {} KiB", takes.div_ceil(1024), limit / 1024);
        Err(NotificationError::new(code::CEASE, OUT_OF_RESOURCES, Vec::new(), reason))
    }

    /// Octets of memory that a peer's routes take, as if nobody else had any of them; to a sixty-fourth.
    pub fn memory(&mut self, number: u32) -> Result<u64, RequestError> {
        let peer = self.peers.get_mut(&number).ok_or_else(|| no_peer(number))?;
        if peer.adj_in.memory.is_old() {
            let takes = peer.adj_in.measure(peer.source, &self.loc);
            peer.adj_in.memory.set(takes);
        }
        Ok(peer.adj_in.memory.measured)
    }

    /// Take in an UPDATE of the common kind; false, and nothing is done, where it is for `take_in`.
    fn take_fast(&mut self, number: u32, body: &[u8], ebgp: bool, is_plain: bool) -> bool {
        let (mut keys, mut scratch) = std::mem::take(&mut self.scratch);
        let done = match fast::read(body, ebgp, &mut scratch) {
            Some(update) => {
                let is_taken = self.intake(number, |intake| intake.take_fast(update, is_plain, &mut keys));
                is_taken == Some(true)
            }
            None => false,
        };
        self.updates_in += u64::from(done);
        self.scratch = (keys, scratch);
        done
    }

    fn take_in(&mut self, number: u32, update: Update) -> Result<(), NotificationError> {
        self.updates_in += 1;
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        peer.ended.extend(update.end_of_rib);
        peer.adj_in.tally.read(&update);
        let looped = update
            .attributes
            .as_ref()
            .is_some_and(|a| a.as_path.count(self.us.asn) > peer.config.allowas_in);
        self.intake(number, |intake| intake.withdraw_all(&update.withdrawn));
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        let announced = match peer.config.max_prefixes {
            Some(max) if max.action != OverLimit::Teardown => {
                peer.adj_in.limit(update.announced, max.limit as usize, max.action, &self.loc)
            }
            _ => match peer.over_limit(&self.loc, &update.announced, looped) {
                Some(error) => return Err(error),
                None => update.announced,
            },
        };
        if let Some(attributes) = update.attributes {
            self.intake(number, |intake| {
                intake.announce_all(&announced, attributes, update.treat_as_withdraw.as_deref())
            });
        }
        Ok(())
    }

    /// Decide what is dirty; how many prefixes have another best or multipath set now.
    pub fn process(&mut self) -> usize {
        let undos = self.loc.decide();
        if undos.iter().any(|undo| undo.is_told) {
            for group in self.groups.values_mut() {
                group.update(&undos, &mut self.loc, &self.us);
            }
        }
        let count = undos.iter().filter(|undo| undo.is_visible).count();
        if count > 0 {
            self.version += 1;
        }
        if let Some(recorded) = &mut self.changes {
            let visible = undos.iter().filter(|undo| undo.is_visible);
            recorded.extend(visible.map(|undo| self.loc.prefix(undo.id)));
            if recorded.len() > 2 * self.loc.len() + 65_536 {
                recorded.sort_unstable();
                recorded.dedup();
            }
        }
        self.loc.done(undos);
        let (groups, peers) = (&self.groups, &self.peers);
        self.loc.sweep(|marks| name_others(groups, peers, marks));
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
        let out = group.map(|group| group.output(number, max_bytes, &mut self.loc, &self.us));
        let out = out.unwrap_or_default();
        let messages = framing::count(&out) as u64;
        self.updates_out += messages;
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.adj_in.tally.updates_out += messages;
        }
        Ok(out)
    }

    /// Peers that `output` has something for, ascending.
    pub fn pending(&mut self) -> Vec<u32> {
        let mut all = Vec::new();
        for group in self.groups.values_mut() {
            all.extend(group.pending(&mut self.loc, &self.us));
        }
        all.sort_unstable();
        all
    }

    /// The peer asks for all of a family again (RFC 2918); with `enhanced` begin and end are marked (RFC 7313).
    pub fn refresh(&mut self, number: u32, afi: u16, safi: u8, enhanced: bool) -> Result<(), RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let Some(version) = version_of(afi, safi) else {
            return Ok(()); // RFC 2918 section 4: a family that was not agreed on is ignored.
        };
        if let Some(group) = peer.session.and_then(|(_, group)| self.groups.get_mut(&group)) {
            let marks = enhanced.then(|| [refresh::BEGIN, refresh::END].map(|subtype| refresh::encode_subtype(afi, subtype, safi)));
            group.refresh(number, version, marks, &mut self.loc, &self.us);
        }
        Ok(())
    }
}

impl Peer {
    /// Whether these would be too many (R87, RFC 4486 section 4). All that is kept counts, refused or not; but Azure drops a route that holds its
    /// own ASN before it counts (R99).
    fn over_limit(&self, loc: &Loc, announced: &[Prefix], looped: bool) -> Option<NotificationError> {
        let max = self.config.max_prefixes.filter(|_| !announced.is_empty())?;
        let limit = max.limit as usize;
        let held = self.adj_in.held.len();
        if held + announced.len() <= limit {
            return None;
        }
        let count = match max.count {
            CountBy::Azure if looped => return None,
            CountBy::Azure => {
                let loops = self.adj_in.refusals.get("as-loop").copied().unwrap_or(0);
                held - loops as usize + announced.len()
            }
            CountBy::Held => {
                let mut new: Vec<&Prefix> = announced.iter().filter(|p| !self.holds(loc, p)).collect();
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

    /// Whether it announced this prefix, refused or not.
    fn holds(&self, loc: &Loc, prefix: &Prefix) -> bool {
        loc.find(prefix).is_some_and(|id| self.adj_in.held.contains(id))
    }
}

/// Name the blocks that groups and summaries have.
fn name_others(groups: &BTreeMap<u32, Group>, peers: &BTreeMap<u32, Peer>, marks: &mut Marks) {
    groups.values().for_each(|group| group.name(marks));
    peers.values().for_each(|peer| peer.adj_in.name(marks));
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
        weight: config.weight,
        address: Some(config.peer_address),
        router_id,
        tags: config.tags.clone(),
    }
}

/// Whether routes may be judged otherwise, all that `Source` holds aside.
fn is_judged_otherwise(a: &PeerConfig, b: &PeerConfig) -> bool {
    let facts = |c: &PeerConfig| -> (usize, bool, IpAddr) { (c.allowas_in, c.discard_med, c.local_address) };
    let asked = |c: &PeerConfig| (c.first_as, c.reject_martians, c.requires_policy, c.role);
    let looks = |c: &PeerConfig| (c.reject_as_sets, c.reject_own_next_hop);
    facts(a) != facts(b) || asked(a) != asked(b) || looks(a) != looks(b) || a.checks != b.checks || a.import != b.import
}

fn no_peer(number: u32) -> RequestError {
    RequestError(format!("no peer {number}"))
}
