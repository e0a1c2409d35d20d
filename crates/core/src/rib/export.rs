//! What becomes of one route on its way to a group of peers: fixed steps around the stages of the export policy. A pure function.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::source::Path;
use crate::attributes::{AsPath, NO_ADVERTISE, NO_EXPORT, NO_EXPORT_SUBCONFED};
use crate::block::DEFAULT_LOCAL_PREFERENCE;
use crate::policy::{self, Action, Facts, NextHopMode, OwnBest, PeerConfig, Refusal, Role, Term, Trace, Working, passed, refused};
use crate::prefix::Prefix;
use crate::wire::{AttributeBlock, EncodeOptions};

/// Of an extended community: it stays within its AS (RFC 4360 section 2, the T bit).
const NON_TRANSITIVE: u64 = 0x40 << 56;

/// The reason where no message of a session can hold a route (RFC 8654 section 4).
pub const TOO_LONG: &str = "too-long";

/// Who we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Our AS number.
    pub asn: u32,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The cluster that we reflect for (RFC 4456 section 7).
    pub cluster_id: Ipv4Addr,
}

/// What was agreed on a session, as far as routes are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionOptions {
    /// Four-octet AS numbers (RFC 6793).
    pub four_octet: bool,
    /// IPv4 unicast was agreed on.
    pub ipv4: bool,
    /// IPv6 unicast was agreed on.
    pub ipv6: bool,
    /// The longest message.
    pub max_message: usize,
}

/// What peers share that are told the same: the key of an update group. Nothing else of a peer changes what it is told, but split horizon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audience {
    /// Stages of the export policy.
    pub stages: Vec<Vec<Term>>,
    /// External.
    pub ebgp: bool,
    /// Our address on the session.
    pub local_address: IpAddr,
    /// A client of ours.
    pub client: bool,
    /// What becomes of next hops.
    pub next_hop: NextHopMode,
    /// Path and MED of others' routes stay as they are.
    pub transparent: bool,
    /// What the sender of a best route is told.
    pub own: OwnBest,
    /// Whether communities are told.
    pub send_communities: bool,
    /// Whether NO_EXPORT keeps a route from it, where it is external.
    pub honors_no_export: bool,
    /// What we are to it (RFC 9234).
    pub role: Option<Role>,
    /// Whether nothing is told, as there is no policy (RFC 8212).
    pub lacks_policy: bool,
    /// Of the session.
    pub session: SessionOptions,
}

impl Audience {
    /// That of a peer.
    pub fn new(config: &PeerConfig, session: SessionOptions) -> Self {
        Self {
            stages: config.export.clone(),
            ebgp: config.ebgp,
            local_address: config.local_address,
            client: config.reflector_client,
            next_hop: config.next_hop,
            transparent: config.transparent,
            own: config.own,
            send_communities: config.send_communities,
            honors_no_export: config.honors_no_export,
            role: config.role,
            lacks_policy: config.requires_policy && config.ebgp && config.export.is_empty(),
            session,
        }
    }

    /// How messages to it are written.
    pub fn encoding(&self) -> EncodeOptions {
        EncodeOptions {
            four_octet: self.session.four_octet,
            max_message: self.session.max_message,
            ebgp: self.ebgp,
        }
    }

    /// Whether the result hangs on the prefix beyond its IP version.
    pub fn needs_prefix(&self) -> bool {
        self.stages.iter().flatten().any(Term::needs_prefix)
    }
}

impl Audience {
    /// Whether several routes may meet in one prefix on their way out.
    pub fn makes_summaries(&self) -> bool {
        let mut actions = self.stages.iter().flatten().flat_map(|term| &term.actions);
        actions.any(|action| matches!(action, Action::PrefixReplace(_)))
    }
}

fn no(reason: &str, detail: impl Into<String>) -> Refusal {
    Refusal {
        reason: reason.to_string(),
        detail: detail.into(),
    }
}

/// What of the best route to a prefix is told to this audience, before split horizon: mostly one route, several of a summary.
pub fn export(prefix: Prefix, path: &Path, to: &Audience, us: &Identity, trace: &mut Trace<'_>) -> Result<Vec<Working>, Refusal> {
    let route = Working::new(prefix, &path.attributes, path.weight);
    well_known(&route, to, trace)?;
    let route = reflect(route, path, to, us, trace)?;
    let facts = Facts {
        tags: &path.source.tags,
        ebgp: path.source.ebgp,
        local_address: to.local_address,
        next_hop: path.attributes.next_hop,
    };
    let mut routes = vec![route];
    for stage in &to.stages {
        let mut next = Vec::with_capacity(routes.len());
        let mut refusal = None;
        for route in routes {
            match policy::run(stage, route, &facts, "export", trace) {
                Ok(done) => next.extend(done),
                Err(why) => refusal = Some(why),
            }
        }
        if let (Some(refusal), true) = (refusal, next.is_empty()) {
            return Err(refusal);
        }
        routes = next;
    }
    let mut told = Vec::with_capacity(routes.len());
    let mut refusal = None;
    for route in routes {
        match finish(route, path, to, us, trace) {
            Ok(route) => told.push(route),
            Err(why) => refusal = Some(why),
        }
    }
    match refusal {
        Some(refusal) if told.is_empty() => Err(refusal),
        _ => Ok(told),
    }
}

/// NO_ADVERTISE, NO_EXPORT and NO_EXPORT_SUBCONFED, as they stand on the Loc-RIB's route (RFC 1997).
fn well_known(route: &Working, to: &Audience, trace: &mut Trace<'_>) -> Result<(), Refusal> {
    let carries = |c: u32| route.attributes.communities.binary_search(&c).is_ok();
    if carries(NO_ADVERTISE) {
        refused(trace, "no-advertise", None, route, "no-advertise");
        return Err(no("no-advertise", ""));
    }
    passed(trace, "no-advertise", None, route, route);
    if to.ebgp && to.honors_no_export && (carries(NO_EXPORT) || carries(NO_EXPORT_SUBCONFED)) {
        refused(trace, "no-export", None, route, "no-export");
        return Err(no("no-export", ""));
    }
    passed(trace, "no-export", None, route, route);
    asked_for(route, to, trace)
}

/// Steps that are there where the configuration asks for them.
fn asked_for(route: &Working, to: &Audience, trace: &mut Trace<'_>) -> Result<(), Refusal> {
    if to.lacks_policy {
        refused(trace, "no-export-policy", None, route, "no-export-policy");
        return Err(no("no-export-policy", "RFC 8212: an external peer without an export policy"));
    }
    let Some(role) = to.role else { return Ok(()) };
    if let (true, Some(asn)) = (role.marks_what_comes(), route.attributes.only_to_customer) {
        refused(trace, "only-to-customer", None, route, "only-to-customer");
        return Err(no("only-to-customer", format!("ONLY_TO_CUSTOMER {asn}")));
    }
    passed(trace, "only-to-customer", None, route, route);
    Ok(())
}

/// From iBGP to iBGP by reflection alone: from clients to all, from others to clients (RFC 4456 sections 6 and 8).
fn reflect(mut route: Working, path: &Path, to: &Audience, us: &Identity, trace: &mut Trace<'_>) -> Result<Working, Refusal> {
    if to.ebgp || path.source.ebgp || path.source.is_own() {
        passed(trace, "ibgp-to-ibgp", None, &route, &route);
        return Ok(route);
    }
    if !path.source.client && !to.client {
        refused(trace, "ibgp-to-ibgp", None, &route, "ibgp-to-ibgp");
        return Err(no("ibgp-to-ibgp", ""));
    }
    let before = trace.is_some().then(|| route.clone());
    let attributes = Arc::make_mut(&mut route.attributes);
    attributes.originator_id.get_or_insert(path.source.router_id);
    attributes.cluster_list.insert(0, us.cluster_id);
    if let Some(before) = before {
        passed(trace, "ibgp-to-ibgp", None, &before, &route);
    }
    Ok(route)
}

/// What RFC 4271 section 5.1 asks of attributes on their way out.
fn finish(mut route: Working, path: &Path, to: &Audience, us: &Identity, trace: &mut Trace<'_>) -> Result<Working, Refusal> {
    let before = trace.is_some().then(|| route.clone());
    let (med_set, next_hop_set) = (route.med_set, route.next_hop_set);
    let attributes = Arc::make_mut(&mut route.attributes);
    if to.ebgp {
        let untouched = to.transparent && !path.source.is_own();
        if !untouched {
            attributes.as_path.prepend(us.asn, 1);
        }
        attributes.local_preference = None;
        attributes.originator_id = None;
        attributes.cluster_list.clear();
        if !untouched {
            attributes.extended_communities.retain(|value| value & NON_TRANSITIVE == 0);
            attributes.med = attributes.med.filter(|_| med_set);
        }
    } else {
        attributes.local_preference.get_or_insert(DEFAULT_LOCAL_PREFERENCE);
    }
    if to.role.is_some_and(Role::marks_what_goes) {
        attributes.only_to_customer.get_or_insert(us.asn);
    }
    if !to.send_communities {
        attributes.communities.clear();
        attributes.extended_communities.clear();
        attributes.large_communities.clear();
    }
    let between = trace.is_some().then(|| route.clone());
    if !next_hop_set && (path.source.is_own() || to.next_hop == NextHopMode::Ours) {
        Arc::make_mut(&mut route.attributes).next_hop = to.local_address;
    }
    if let (Some(before), Some(between)) = (&before, &between) {
        passed(trace, "own-asn", None, before, between);
    }
    if let Err(why) = expressible(&route, to) {
        let from = between.as_ref().unwrap_or(&route);
        refused(trace, "next-hop", None, from, &why.reason);
        return Err(why);
    }
    if let Some(between) = &between {
        passed(trace, "next-hop", None, between, &route);
    }
    Ok(route)
}

/// Whether a message of this session can hold the route.
fn expressible(route: &Working, to: &Audience) -> Result<(), Refusal> {
    let session = &to.session;
    if !(if route.prefix.version == 4 { session.ipv4 } else { session.ipv6 }) {
        return Err(no("family", format!("IPv{} was not agreed on", route.prefix.version)));
    }
    let a = &route.attributes;
    if a.next_hop.is_ipv4() != (route.prefix.version == 4) {
        return Err(no("next-hop", format!("next hop {} is of the other IP version", a.next_hop)));
    }
    let unknown: usize = a.unknown.iter().map(|(_, _, value)| value.len() + 4).sum();
    let about = 300 + 12 * a.as_path.asns().len() + 4 * a.communities.len() + 8 * a.extended_communities.len() + unknown;
    let about = about + 12 * a.large_communities.len() + 4 * a.cluster_list.len();
    if about > session.max_message {
        // RFC 8654 section 4: what does not fit in the peer's messages is not told.
        let longest = Prefix::new(route.prefix.version, route.prefix.bits, u8::MAX);
        let written = AttributeBlock::new(a, &to.encoding()).message(&[longest], &mut Vec::new());
        written.map_err(|error| no(TOO_LONG, error.to_string()))?;
    }
    Ok(())
}
