//! A peer's configuration from JSON, as `dualhome.bgp.policy.PeerPolicy.json` writes it. Errors say where and what.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Action, Match, Tag, Tags, Term, Then};
use crate::attributes::{parse_community, sequence};
use crate::prefix::Prefix;
use crate::wire::update::may_be_host;

/// What kind of source a route comes from, for the rounds of the routing preference (R107).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteClass {
    /// A network virtual appliance.
    Nva,
    /// An ExpressRoute gateway.
    Er,
    /// A VPN gateway.
    Vpn,
    /// Any other; it passes as an appliance does.
    Other,
}

/// What becomes of the next hop on the way out (RFC 4271 section 5.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextHopMode {
    /// Our address on the session.
    #[serde(rename = "self")]
    Ours,
    /// It is kept.
    Unchanged,
}

/// How prefixes are counted against the limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountBy {
    /// Those held from the peer and those in the arriving message, new or not (R87).
    Azure,
    /// Those that would be held.
    Held,
}

/// What becomes of the sender of a best route, who is never told its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnBest {
    /// It is told nothing.
    #[default]
    None,
    /// It is told the best of the others' paths (RFC 7947 section 2.3).
    Second,
}

/// What happens beyond the limit of prefixes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverLimit {
    /// The session ends with Cease/1 (RFC 4486 section 4).
    #[default]
    Teardown,
    /// Prefixes beyond it are passed over, and not kept.
    Drop,
    /// They are only counted.
    Warn,
}

/// The most prefixes that a peer may announce.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPrefixes {
    /// That many are fine.
    pub limit: u32,
    /// How they are counted; by those held where the session doesn't end.
    pub count: CountBy,
    /// What happens beyond it.
    #[serde(default)]
    pub action: OverLimit,
}

/// What we are to a neighbor (RFC 9234 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Its provider of transit.
    Provider,
    /// The route server that it is a client of.
    Rs,
    /// A client of it, a route server.
    RsClient,
    /// Its customer.
    Customer,
    /// Its peer.
    Peer,
}

impl Role {
    /// Whether what comes from the neighbor goes to our customers alone: it is our provider, peer or route server (RFC 9234 section 5).
    pub fn marks_what_comes(self) -> bool {
        matches!(self, Self::Customer | Self::Peer | Self::RsClient)
    }

    /// Whether what goes to the neighbor goes to its customers alone: it is our customer, peer or route server's client.
    pub fn marks_what_goes(self) -> bool {
        matches!(self, Self::Provider | Self::Peer | Self::Rs)
    }
}

/// All that the RIB knows of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerConfig {
    /// For people.
    pub name: String,
    /// Its AS number.
    pub asn: u32,
    /// Whether it is external.
    pub ebgp: bool,
    /// Our address on the session.
    pub local_address: IpAddr,
    /// Its address.
    pub peer_address: IpAddr,
    /// What `from` compares with, in the order given.
    pub tags: Vec<Tag>,
    /// For the rounds of the routing preference.
    pub route_class: RouteClass,
    /// Weight of its routes before rules.
    pub weight: u32,
    /// How often our own AS number may stand in a path.
    pub allowas_in: usize,
    /// False: all its routes lose in round next-hop.
    pub usable: bool,
    /// Whether it is our route reflector client (RFC 4456).
    pub reflector_client: bool,
    /// What becomes of the next hop of routes told to it.
    pub next_hop: NextHopMode,
    /// Our own AS number and the absence of a MED are not put on what is told to it: a client of a route server (RFC 7947 section 2.2).
    pub transparent: bool,
    /// What it is told where it sent the best route.
    pub own: OwnBest,
    /// The most that it may announce.
    pub max_prefixes: Option<MaxPrefixes>,
    /// The most octets of memory that its routes may take.
    pub max_memory: Option<u64>,
    /// Whether communities are told to it.
    pub send_communities: bool,
    /// Whether NO_EXPORT and NO_EXPORT_SUBCONFED keep a route from it, where it is external (RFC 1997).
    pub honors_no_export: bool,
    /// Whether MEDs that it sends are dropped.
    pub discard_med: bool,
    /// Whether the path of an external peer must begin with its AS number (RFC 4271 section 6.3).
    pub first_as: bool,
    /// Whether routes with an AS_SET in their path are as if withdrawn (RFC 9774 section 3).
    pub reject_as_sets: bool,
    /// Whether prefixes that are nobody's are refused.
    pub reject_martians: bool,
    /// Whether routes whose next hop is our own address toward it are refused (RFC 4271 section 6.3).
    pub reject_own_next_hop: bool,
    /// Whether an external peer needs a policy for anything to be let in or told (RFC 8212).
    pub requires_policy: bool,
    /// What we are to it, where that is agreed on.
    pub role: Option<Role>,
    /// What is let in.
    pub checks: Vec<Term>,
    /// Rules on what was let in.
    pub import: Vec<Term>,
    /// Stages, one after the other, on what is told to it.
    pub export: Vec<Vec<Term>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    name: String,
    asn: u32,
    ebgp: bool,
    local_address: IpAddr,
    peer_address: IpAddr,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "other")]
    route_class: RouteClass,
    #[serde(default = "default_weight")]
    weight: u32,
    #[serde(default)]
    allowas_in: usize,
    #[serde(default = "yes")]
    usable: bool,
    #[serde(default)]
    reflector_client: bool,
    #[serde(default = "ours")]
    next_hop: NextHopMode,
    #[serde(default)]
    transparent: bool,
    #[serde(default)]
    own: OwnBest,
    #[serde(default)]
    max_prefixes: Option<MaxPrefixes>,
    #[serde(default)]
    max_memory: Option<u64>,
    #[serde(default = "yes")]
    send_communities: bool,
    #[serde(default = "yes")]
    honors_no_export: bool,
    #[serde(default)]
    discard_med: bool,
    #[serde(default)]
    first_as: bool,
    #[serde(default)]
    reject_as_sets: bool,
    #[serde(default)]
    reject_martians: bool,
    #[serde(default)]
    reject_own_next_hop: bool,
    #[serde(default)]
    requires_policy: bool,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    checks: Vec<Value>,
    #[serde(default)]
    import: Vec<Value>,
    #[serde(default)]
    export: Vec<Vec<Value>>,
}

fn other() -> RouteClass {
    RouteClass::Other
}

fn ours() -> NextHopMode {
    NextHopMode::Ours
}

fn yes() -> bool {
    true
}

/// Weight of a route where none is given: all are equal.
pub const DEFAULT_WEIGHT: u32 = 32768;

fn default_weight() -> u32 {
    DEFAULT_WEIGHT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerm {
    name: String,
    #[serde(default, rename = "match")]
    matches: RawMatch,
    #[serde(default, rename = "do")]
    actions: Vec<RawAction>,
    #[serde(default = "accept")]
    then: RawThen,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum RawThen {
    Continue,
    Accept,
    Reject,
}

fn accept() -> RawThen {
    RawThen::Accept
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawMatch {
    prefix_equals: Option<Vec<String>>,
    prefix_within: Option<Vec<String>>,
    as_path_equals: Option<Vec<u32>>,
    as_path_contains: Option<Vec<u32>>,
    as_path_leading_even: Option<u32>,
    community_all: Option<Vec<String>>,
    community_any: Option<Vec<String>>,
    community_high: Option<u16>,
    from: Option<Vec<String>>,
    ebgp: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RawAction {
    Prepend(Vec<u32>),
    PathReplace(Vec<u32>),
    PathRemove(Vec<u32>),
    PathSubstitute { from: u32, to: u32 },
    RemovePrivate(bool),
    CommunityAdd(Vec<String>),
    CommunityReplace(Vec<String>),
    CommunityRemove(Vec<String>),
    LocalPreference(u32),
    Med(Option<u32>),
    NextHop(String),
    Weight(u32),
    PrefixReplace(Vec<String>),
}

/// Read a configuration; the error is one line for people.
pub fn parse_config(text: &str, tags: &mut Tags) -> Result<PeerConfig, String> {
    let raw: RawConfig = serde_json::from_str(text).map_err(|error| format!("peer configuration: {error}"))?;
    let name = &raw.name;
    if raw.local_address.is_ipv4() != raw.peer_address.is_ipv4() {
        return Err(format!(
            "peer '{name}': local_address and peer_address are of different IP versions"
        ));
    }
    let mut list = |what: &str, terms: Vec<Value>| parse_terms(what, terms, tags).map_err(|error| format!("peer '{}': {error}", raw.name));
    let checks = list("checks", raw.checks)?;
    if let Some(term) = checks.iter().find(|t| !t.actions.is_empty()) {
        return Err(format!(
            "peer '{name}': checks: '{}' has actions, but checks only let in or refuse",
            term.name
        ));
    }
    let mut import = list("import", raw.import)?;
    import.iter_mut().for_each(|term| term.reason = None);
    let mut export = Vec::new();
    for (i, stage) in raw.export.into_iter().enumerate() {
        let mut stage = list(&format!("export stage {}", i + 1), stage)?;
        stage.iter_mut().for_each(|term| term.reason = None);
        export.push(stage);
    }
    export.retain(|stage| !stage.is_empty());
    Ok(PeerConfig {
        asn: raw.asn,
        ebgp: raw.ebgp,
        local_address: raw.local_address,
        peer_address: raw.peer_address,
        tags: raw.tags.iter().map(|tag| tags.number(tag)).collect(),
        route_class: raw.route_class,
        weight: raw.weight,
        allowas_in: raw.allowas_in,
        usable: raw.usable,
        reflector_client: raw.reflector_client,
        next_hop: raw.next_hop,
        transparent: raw.transparent,
        own: raw.own,
        max_prefixes: raw.max_prefixes,
        max_memory: raw.max_memory,
        send_communities: raw.send_communities,
        honors_no_export: raw.honors_no_export,
        discard_med: raw.discard_med,
        first_as: raw.first_as,
        reject_as_sets: raw.reject_as_sets,
        reject_martians: raw.reject_martians,
        reject_own_next_hop: raw.reject_own_next_hop,
        requires_policy: raw.requires_policy,
        role: raw.role,
        checks,
        import,
        export,
        name: raw.name,
    })
}

fn parse_terms(what: &str, terms: Vec<Value>, tags: &mut Tags) -> Result<Vec<Term>, String> {
    let mut parsed = Vec::with_capacity(terms.len());
    for (i, value) in terms.into_iter().enumerate() {
        let name = value.get("name").and_then(Value::as_str).unwrap_or("").to_string();
        let term = read::<RawTerm>(value).and_then(|raw| compile(raw, tags));
        parsed.push(term.map_err(|error| format!("{what}: term {} '{name}': {error}", i + 1))?);
    }
    Ok(parsed)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn compile(raw: RawTerm, tags: &mut Tags) -> Result<Term, String> {
    let m = raw.matches;
    let mut prefix_equals = optional(m.prefix_equals, prefixes)?;
    if let Some(prefixes) = &mut prefix_equals {
        prefixes.sort_unstable();
    }
    Ok(Term {
        matches: Match {
            prefix_equals,
            prefix_within: optional(m.prefix_within, prefixes)?,
            as_path_equals: m.as_path_equals.map(|asns| sequence(&asns)),
            as_path_contains: m.as_path_contains,
            as_path_leading_even: m.as_path_leading_even,
            community_all: optional(m.community_all, communities)?,
            community_any: optional(m.community_any, communities)?,
            community_high: m.community_high,
            from: m.from.map(|names| names.iter().map(|name| tags.number(name)).collect()),
            ebgp: m.ebgp,
        },
        actions: raw
            .actions
            .into_iter()
            .filter_map(|a| action(a).transpose())
            .collect::<Result<_, _>>()?,
        then: match raw.then {
            RawThen::Continue => Then::Continue,
            RawThen::Accept => Then::Accept,
            RawThen::Reject => Then::Reject,
        },
        reason: raw.reason,
        name: raw.name,
    })
}

fn action(raw: RawAction) -> Result<Option<Action>, String> {
    let put = match &raw {
        RawAction::Prepend(asns) | RawAction::PathReplace(asns) => &asns[..],
        RawAction::PathSubstitute { to, .. } => std::slice::from_ref(to),
        _ => &[],
    };
    if put.contains(&0) {
        return Err("AS number 0 must not be in a path (RFC 7607)".into());
    }
    Ok(Some(match raw {
        RawAction::Prepend(asns) => Action::Prepend(asns),
        RawAction::PathReplace(asns) => Action::PathReplace(asns),
        RawAction::PathRemove(asns) => Action::PathRemove(asns),
        RawAction::PathSubstitute { from, to } => Action::PathSubstitute(from, to),
        RawAction::RemovePrivate(true) => Action::RemovePrivate,
        RawAction::RemovePrivate(false) => return Ok(None),
        RawAction::CommunityAdd(list) => Action::CommunityAdd(communities(list)?),
        RawAction::CommunityReplace(list) => Action::CommunityReplace(communities(list)?),
        RawAction::CommunityRemove(list) => Action::CommunityRemove(communities(list)?),
        RawAction::LocalPreference(preference) => Action::LocalPreference(preference),
        RawAction::Med(med) => Action::Med(med),
        RawAction::Weight(weight) => Action::Weight(weight),
        RawAction::NextHop(text) => match text.as_str() {
            "self" => Action::NextHopSelf,
            "unchanged" => Action::NextHopUnchanged,
            _ => match text.parse() {
                Ok(address) if may_be_host(address) => Action::NextHop(address),
                Ok(_) => return Err(format!("next_hop {text} can't be a host's address")),
                Err(_) => return Err(format!("next_hop '{text}' is no address, 'self' or 'unchanged'")),
            },
        },
        RawAction::PrefixReplace(list) if list.is_empty() => return Err("prefix_replace names no prefix".into()),
        RawAction::PrefixReplace(list) => {
            let mut list = prefixes(list)?;
            list.sort_unstable();
            list.dedup();
            Action::PrefixReplace(list)
        }
    }))
}

fn optional<T>(list: Option<Vec<String>>, read: impl FnOnce(Vec<String>) -> Result<T, String>) -> Result<Option<T>, String> {
    list.map(read).transpose()
}

fn prefixes(list: Vec<String>) -> Result<Vec<Prefix>, String> {
    list.iter().map(|text| text.parse().map_err(|error| format!("{error}"))).collect()
}

/// Communities from text.
pub(crate) fn communities(list: Vec<String>) -> Result<Vec<u32>, String> {
    let community = |text: &String| parse_community(text).ok_or_else(|| format!("'{text}' is no community"));
    list.iter().map(community).collect()
}
