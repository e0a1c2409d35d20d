//! Policy: terms that are tried in order on one route (style guide, section 6). A pure function from route to routes, or a refusal.
//!
//! `policy::parse` reads the JSON that `dualhome.bgp.policy` writes. The slow form that this is compared with is `tests/reference/policy.py`.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::attributes::{AsPath, Attributes, Segment, sequence};
use crate::prefix::Prefix;

pub mod parse;

pub use parse::{CountBy, MaxPrefixes, NextHopMode, OverLimit, OwnBest, PeerConfig, Role, RouteClass};

/// A tag of a route's source, as a number.
pub type Tag = u32;

/// Tags by name: what `from` compares with.
#[derive(Default, Debug)]
pub struct Tags {
    names: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, Tag>,
}

impl Tags {
    /// The number of a name, a new one if need be.
    pub fn number(&mut self, name: &str) -> Tag {
        if let Some(tag) = self.numbers.get(name) {
            return *tag;
        }
        let name: Arc<str> = name.into();
        let tag = self.names.len() as Tag;
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, tag);
        tag
    }

    /// The name of a number.
    pub fn name(&self, tag: Tag) -> &str {
        self.names.get(tag as usize).map_or("", |name| name)
    }
}

/// What a term asks of a route; all that is given must hold, nothing given always holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Match {
    /// The prefix is one of these; sorted.
    pub prefix_equals: Option<Vec<Prefix>>,
    /// The prefix is one of these or beneath one.
    pub prefix_within: Option<Vec<Prefix>>,
    /// The path is exactly this sequence.
    pub as_path_equals: Option<Vec<Segment>>,
    /// The path holds any of these.
    pub as_path_contains: Option<Vec<u32>>,
    /// The path begins with an even, nonzero number of copies of this.
    pub as_path_leading_even: Option<u32>,
    /// The route carries all of these.
    pub community_all: Option<Vec<u32>>,
    /// The route carries one of these.
    pub community_any: Option<Vec<u32>>,
    /// The route carries a community with this upper half.
    pub community_high: Option<u16>,
    /// The route's source has one of these tags.
    pub from: Option<Vec<Tag>>,
    /// Whether the route was learned by eBGP.
    pub ebgp: Option<bool>,
}

/// What a term does to a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// These become the first ones of the path, in this order.
    Prepend(Vec<u32>),
    /// The path becomes this one.
    PathReplace(Vec<u32>),
    /// Each of these leaves the path.
    PathRemove(Vec<u32>),
    /// Each copy of the first becomes the second.
    PathSubstitute(u32, u32),
    /// Private AS numbers leave the path.
    RemovePrivate,
    /// Carry these too.
    CommunityAdd(Vec<u32>),
    /// Carry these alone.
    CommunityReplace(Vec<u32>),
    /// Carry these no more.
    CommunityRemove(Vec<u32>),
    /// LOCAL_PREF.
    LocalPreference(u32),
    /// MED; None takes it away.
    Med(Option<u32>),
    /// This next hop.
    NextHop(IpAddr),
    /// The next hop that the route came with.
    NextHopUnchanged,
    /// Our address on this session.
    NextHopSelf,
    /// Weight, which stays within the speaker.
    Weight(u32),
    /// A summary: the route becomes one for each of these, with an empty path and without communities.
    PrefixReplace(Vec<Prefix>),
}

/// What comes after a term's actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Try the next term.
    Continue,
    /// The list ends here.
    Accept,
    /// The route is refused.
    Reject,
}

/// One term.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// For people: in explanations and in the detail of a refusal.
    pub name: String,
    /// When it acts.
    pub matches: Match,
    /// What it does.
    pub actions: Vec<Action>,
    /// What comes next.
    pub then: Then,
    /// The reason of a refusal by a check.
    pub reason: Option<String>,
}

/// A route on its way through policies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Working {
    /// Its prefix now.
    pub prefix: Prefix,
    /// Its attributes now.
    pub attributes: Arc<Attributes>,
    /// Its weight now.
    pub weight: u32,
    /// Whether it is a summary now.
    pub summary: bool,
    /// Whether an action set the MED.
    pub med_set: bool,
    /// Whether an action set the next hop.
    pub next_hop_set: bool,
}

impl Working {
    /// A route before any policy.
    pub fn new(prefix: Prefix, attributes: &Arc<Attributes>, weight: u32) -> Self {
        Self {
            prefix,
            attributes: Arc::clone(attributes),
            weight,
            summary: false,
            med_set: false,
            next_hop_set: false,
        }
    }
}

/// What policies may know besides the route itself.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Tags of the route's source.
    pub tags: &'a [Tag],
    /// Whether it was learned by eBGP.
    pub ebgp: bool,
    /// Our address on the session that the policy belongs to.
    pub local_address: IpAddr,
    /// The next hop that the route came with.
    pub next_hop: IpAddr,
}

/// Why a route goes no further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// One of the reasons of `Route.reason`, or the fixed step.
    pub reason: String,
    /// The term's name, or what was wrong.
    pub detail: String,
}

/// What one step did to a route, for `explain`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The fixed step's name, or that of the list of terms.
    pub step: &'static str,
    /// The term's name.
    pub term: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The route before.
    pub before: Working,
    /// The route after.
    pub after: Working,
}

/// Steps, where somebody asked for them.
pub type Trace<'a> = Option<&'a mut Vec<Step>>;

/// Note a step that let the route through.
pub fn passed(trace: &mut Trace<'_>, step: &'static str, term: Option<&str>, before: &Working, after: &Working) {
    if let Some(steps) = trace {
        steps.push(Step {
            step,
            term: term.map(str::to_string),
            reason: None,
            before: before.clone(),
            after: after.clone(),
        });
    }
}

/// Note a step that refused the route.
pub fn refused(trace: &mut Trace<'_>, step: &'static str, term: Option<&str>, route: &Working, reason: &str) {
    passed(trace, step, term, route, route);
    if let Some(last) = trace.as_mut().and_then(|steps| steps.last_mut()) {
        last.reason = Some(reason.to_string());
    }
}

impl Match {
    /// Whether all of it holds.
    pub fn holds(&self, route: &Working, facts: &Facts<'_>) -> bool {
        fn given<T>(wanted: &Option<T>, holds: impl FnOnce(&T) -> bool) -> bool {
            wanted.as_ref().is_none_or(holds)
        }
        let attributes = &*route.attributes;
        let carries = |c: &u32| attributes.communities.binary_search(c).is_ok();
        given(&self.ebgp, |ebgp| *ebgp == facts.ebgp)
            && given(&self.from, |tags| tags.iter().any(|t| facts.tags.contains(t)))
            && given(&self.prefix_equals, |prefixes| prefixes.binary_search(&route.prefix).is_ok())
            && given(&self.prefix_within, |prefixes| prefixes.iter().any(|p| p.contains(&route.prefix)))
            && given(&self.as_path_equals, |path| attributes.as_path == *path)
            && given(&self.as_path_contains, |asns| asns.iter().any(|a| attributes.as_path.count(*a) > 0))
            && given(&self.as_path_leading_even, |asn| {
                let copies = attributes.as_path.leading(*asn);
                copies > 0 && copies.is_multiple_of(2)
            })
            && given(&self.community_all, |all| all.iter().all(carries))
            && given(&self.community_any, |any| any.iter().any(carries))
            && given(&self.community_high, |high| {
                attributes.communities.iter().any(|c| c >> 16 == u32::from(*high))
            })
    }

    fn needs_prefix(&self) -> bool {
        self.prefix_equals.is_some() || self.prefix_within.is_some()
    }
}

impl Term {
    /// Whether what it does hangs on the prefix or changes it; if not, routes with equal attributes have equal results.
    pub fn needs_prefix(&self) -> bool {
        self.matches.needs_prefix() || self.actions.iter().any(|a| matches!(a, Action::PrefixReplace(_)))
    }

    /// Do the actions in their order; the prefixes that the route is to become, if any.
    fn act(&self, route: &mut Working, facts: &Facts<'_>) -> Option<&[Prefix]> {
        let mut prefixes = None;
        for action in &self.actions {
            if let Action::PrefixReplace(list) = action {
                prefixes = Some(list.as_slice());
                route.summary = true;
                let attributes = Arc::make_mut(&mut route.attributes);
                attributes.as_path.clear();
                attributes.communities.clear();
                attributes.extended_communities.clear();
                attributes.large_communities.clear();
            } else {
                action.act(route, facts);
            }
        }
        prefixes
    }
}

impl Action {
    fn act(&self, route: &mut Working, facts: &Facts<'_>) {
        match self {
            Action::Weight(weight) => {
                route.weight = *weight;
                return;
            }
            Action::Med(_) => route.med_set = true,
            Action::NextHop(_) | Action::NextHopUnchanged | Action::NextHopSelf => route.next_hop_set = true,
            _ => {}
        }
        let a = Arc::make_mut(&mut route.attributes);
        match self {
            Action::Prepend(asns) => asns.iter().rev().for_each(|asn| a.as_path.prepend(*asn, 1)),
            Action::PathReplace(asns) => a.as_path = sequence(asns),
            Action::PathRemove(asns) => asns.iter().for_each(|asn| a.as_path.remove_asn(*asn)),
            Action::PathSubstitute(from, to) => a.as_path.replace_asn(*from, *to),
            Action::RemovePrivate => a.as_path.remove_private(),
            Action::CommunityAdd(communities) => a.communities.extend(communities),
            Action::CommunityReplace(communities) => a.communities.clone_from(communities),
            Action::CommunityRemove(communities) => a.communities.retain(|c| !communities.contains(c)),
            Action::LocalPreference(preference) => a.local_preference = Some(*preference),
            Action::Med(med) => a.med = *med,
            Action::NextHop(address) => a.next_hop = *address,
            Action::NextHopUnchanged => a.next_hop = facts.next_hop,
            Action::NextHopSelf => a.next_hop = facts.local_address,
            Action::Weight(_) | Action::PrefixReplace(_) => {}
        }
        a.normalize();
    }
}

/// Run a list of terms on a route: what it became (several where a summary names several prefixes), or why not. The end of the list accepts.
pub fn run(
    terms: &[Term],
    mut route: Working,
    facts: &Facts<'_>,
    step: &'static str,
    trace: &mut Trace<'_>,
) -> Result<Vec<Working>, Refusal> {
    for (i, term) in terms.iter().enumerate() {
        if !term.matches.holds(&route, facts) {
            continue;
        }
        if term.then == Then::Reject {
            let reason = term.reason.as_deref().unwrap_or("policy");
            refused(trace, step, Some(&term.name), &route, reason);
            return Err(Refusal {
                reason: reason.to_string(),
                detail: term.name.clone(),
            });
        }
        let before = trace.is_some().then(|| route.clone());
        let prefixes = term.act(&mut route, facts);
        let rest = if term.then == Then::Accept { &[] } else { &terms[i + 1..] };
        if let Some([prefix]) = prefixes {
            route.prefix = *prefix;
        }
        if let Some(before) = before {
            passed(trace, step, Some(&term.name), &before, &route);
        }
        if let Some(prefixes @ [_, _, ..]) = prefixes {
            return fork(prefixes, rest, &route, facts, step, trace);
        }
        if rest.is_empty() {
            return Ok(vec![route]);
        }
    }
    Ok(vec![route])
}

/// The rest of the list for each of these prefixes; refused only where all are.
fn fork(
    prefixes: &[Prefix],
    rest: &[Term],
    route: &Working,
    facts: &Facts<'_>,
    step: &'static str,
    trace: &mut Trace<'_>,
) -> Result<Vec<Working>, Refusal> {
    let (mut all, mut refusal) = (Vec::new(), None);
    for prefix in prefixes {
        let route = Working {
            prefix: *prefix,
            ..route.clone()
        };
        match run(rest, route, facts, step, trace) {
            Ok(routes) => all.extend(routes),
            Err(why) => refusal = Some(why),
        }
    }
    match refusal {
        Some(refusal) if all.is_empty() => Err(refusal),
        _ => Ok(all),
    }
}
