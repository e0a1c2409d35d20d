//! Adj-RIB-In of one peer: all that it announced, refused routes with their reasons, and how each is judged (RFC 4271 section 9.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::export::Identity;
use super::loc::{Path, Source};
use crate::attributes::{AsPath, Attributes, Interner};
use crate::policy::{self, Facts, OverLimit, PeerConfig, Refusal, Term, Trace, Working, passed, refused};
use crate::prefix::Prefix;

/// Why a route was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Reason and detail, as `Route` shows them.
    pub why: Refusal,
    /// Whether the checks had let it in, and a rule refused it.
    pub by_rule: bool,
}

/// One announced route.
#[derive(Clone, Debug)]
pub struct InRoute {
    /// As received.
    pub received: Arc<Attributes>,
    /// The attribute and defect for which RFC 7606 withdraws it.
    pub invalid: Option<Box<str>>,
    /// Why it takes no part in the decision.
    pub refused: Option<Box<Refused>>,
    /// The summaries that import rules made of it.
    summaries: Option<Box<[Prefix]>>,
}

/// What judging says of one route.
pub type Judged = Result<Vec<Working>, Refused>;

/// Judge one received route: the fixed steps, the checks, the rules. A pure function.
pub fn judge(
    config: &PeerConfig,
    us: &Identity,
    prefix: Prefix,
    received: &Arc<Attributes>,
    invalid: Option<&str>,
    trace: &mut Trace<'_>,
) -> Judged {
    let mut route = Working::new(prefix, received, config.weight);
    fixed(us, config, &route, invalid, trace)?;
    if config.discard_med && received.med.is_some() {
        let before = trace.is_some().then(|| route.clone());
        Arc::make_mut(&mut route.attributes).med = None;
        if let Some(before) = before {
            passed(trace, "discard-med", None, &before, &route);
        }
    }
    let facts = Facts {
        tags: &config.tags,
        ebgp: config.ebgp,
        local_address: config.local_address,
        next_hop: received.next_hop,
    };
    let check = policy::run(&config.checks, route.clone(), &facts, "check", trace);
    check.map_err(|why| Refused { why, by_rule: false })?;
    let rules = policy::run(&config.import, route, &facts, "import", trace);
    rules.map_err(|why| Refused { why, by_rule: true })
}

/// RFC 7606's verdict, our own AS number (RFC 4271 section 9.1.2), our own reflections (RFC 4456 section 8).
fn fixed(us: &Identity, config: &PeerConfig, route: &Working, invalid: Option<&str>, trace: &mut Trace<'_>) -> Result<(), Refused> {
    let a = &route.attributes;
    let copies = a.as_path.count(us.asn);
    let looped = a.originator_id == Some(us.router_id) || a.cluster_list.contains(&us.cluster_id);
    let steps: [(&'static str, Option<String>); 3] = [
        ("invalid", invalid.map(str::to_string)),
        (
            "as-loop",
            (copies > config.allowas_in).then(|| {
                format!(
                    "own ASN {} in the path {}",
                    us.asn,
                    if copies == 1 {
                        "once".to_owned()
                    } else {
                        format!("{copies} times")
                    }
                )
            }),
        ),
        (
            "cluster-loop",
            looped.then(|| "our router ID is its originator, or our cluster in its list".to_string()),
        ),
    ];
    for (step, defect) in steps {
        if let Some(detail) = defect {
            refused(trace, step, None, route, step);
            return Err(Refused {
                why: Refusal {
                    reason: step.to_string(),
                    detail,
                },
                by_rule: false,
            });
        }
        passed(trace, step, None, route, route);
    }
    Ok(())
}

/// All that one peer announced.
#[derive(Default, Debug)]
pub struct AdjIn {
    /// By prefix.
    pub routes: FxHashMap<Prefix, InRoute>,
    /// Summaries by prefix, with what each of their contributors would make them.
    summaries: BTreeMap<Prefix, BTreeMap<Prefix, Path>>,
    /// How many prefixes came beyond the limit since the session began, where that doesn't end it.
    pub over: u64,
}

/// A path that takes or leaves its place among the candidates of a prefix.
pub type Placed = (Prefix, Option<Path>);

impl AdjIn {
    /// Prefixes of all announced routes, sorted.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut all: Vec<Prefix> = self.routes.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Number of routes that were refused as loops.
    pub fn looped(&self) -> usize {
        let is_loop = |route: &&InRoute| route.refused.as_ref().is_some_and(|refused| refused.why.reason == "as-loop");
        self.routes.values().filter(is_loop).count()
    }

    /// Number of refused routes.
    pub fn refused(&self) -> usize {
        self.routes.values().filter(|route| route.refused.is_some()).count()
    }

    /// Which of these are let to the checks under a limit that doesn't end the session; the others are counted. What is held already is always let.
    pub fn limit(&mut self, announced: Vec<Prefix>, limit: usize, action: OverLimit) -> Vec<Prefix> {
        let mut new: FxHashSet<Prefix> = FxHashSet::default();
        let held = self.routes.len();
        let mut let_on = announced;
        let (routes, over) = (&self.routes, &mut self.over);
        let_on.retain(|prefix| {
            if routes.contains_key(prefix) || new.contains(prefix) {
                return true;
            }
            let is_over = held + new.len() >= limit;
            *over += u64::from(is_over);
            let is_let = !is_over || action == OverLimit::Warn;
            if is_let {
                new.insert(*prefix);
            }
            is_let
        });
        let_on
    }

    /// Number of routes that were refused, by reason.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for refused in self.routes.values().filter_map(|route| route.refused.as_ref()) {
            match counts.get_mut(&refused.why.reason) {
                Some(count) => *count += 1,
                None => drop(counts.insert(refused.why.reason.clone(), 1)),
            }
        }
        counts
    }

    /// The peer announced it, or it is judged anew: what changes among the candidates.
    pub fn place(
        &mut self,
        prefix: Prefix,
        mut route: InRoute,
        judged: Judged,
        source: &Arc<Source>,
        interner: &mut Interner,
    ) -> Vec<Placed> {
        let mut touched = self.forget_summaries(prefix);
        let mut direct = None;
        match judged {
            Ok(routes) => {
                let mut made = Vec::new();
                for working in routes {
                    let attributes = if Arc::ptr_eq(&working.attributes, &route.received) {
                        working.attributes
                    } else {
                        interner.intern(Arc::unwrap_or_clone(working.attributes))
                    };
                    let path = Path {
                        source: Arc::clone(source),
                        attributes,
                        weight: working.weight,
                    };
                    if working.summary {
                        made.push(working.prefix);
                        self.summaries.entry(working.prefix).or_default().insert(prefix, path);
                    } else {
                        direct = Some(path);
                    }
                }
                route.refused = None;
                touched.extend(&made);
                route.summaries = if made.is_empty() { None } else { Some(made.into()) };
            }
            Err(refused) => {
                route.refused = Some(Box::new(refused));
                route.summaries = None;
            }
        }
        self.routes.insert(prefix, route);
        self.settle(prefix, direct, touched)
    }

    /// The peer withdrew it.
    pub fn withdraw(&mut self, prefix: Prefix) -> Vec<Placed> {
        let touched = self.forget_summaries(prefix);
        if self.routes.remove(&prefix).is_none() {
            return Vec::new();
        }
        self.settle(prefix, None, touched)
    }

    /// All is gone.
    pub fn clear(&mut self) -> Vec<Placed> {
        self.over = 0;
        let mut all: Vec<Prefix> = self.routes.drain().map(|(prefix, _)| prefix).collect();
        all.extend(std::mem::take(&mut self.summaries).into_keys());
        all.into_iter().map(|prefix| (prefix, None)).collect()
    }

    fn forget_summaries(&mut self, prefix: Prefix) -> Vec<Prefix> {
        let made = self.routes.get_mut(&prefix).and_then(|route| route.summaries.take());
        let made = made.map(Vec::from).unwrap_or_default();
        for summary in &made {
            if let Some(contributors) = self.summaries.get_mut(summary) {
                contributors.remove(&prefix);
                if contributors.is_empty() {
                    self.summaries.remove(summary);
                }
            }
        }
        made
    }

    /// A summary goes before the peer's own route to the same prefix, and is as its first contributor by prefix makes it.
    fn settle(&self, prefix: Prefix, direct: Option<Path>, mut touched: Vec<Prefix>) -> Vec<Placed> {
        touched.sort_unstable();
        touched.dedup();
        let mut placed = Vec::with_capacity(1);
        if !touched.contains(&prefix) {
            placed.push((prefix, self.summary(&prefix).or(direct.clone())));
        }
        for summary in touched {
            let path = self.summary(&summary);
            if path.is_none()
                && summary != prefix
                && self
                    .routes
                    .get(&summary)
                    .is_some_and(|r| r.refused.is_none() && r.summaries.is_none())
            {
                // Its own route comes to light again: it is judged anew by the caller.
                placed.push((summary, None));
                continue;
            }
            let path = path.or_else(|| direct.clone().filter(|_| summary == prefix));
            placed.push((summary, path));
        }
        placed
    }

    fn summary(&self, prefix: &Prefix) -> Option<Path> {
        self.summaries.get(prefix)?.values().next().cloned()
    }

    /// Whether the peer's own route to this prefix stands for itself: let in, made no summary, hidden by none.
    pub fn is_direct(&self, prefix: &Prefix) -> bool {
        let plain = |r: &InRoute| r.refused.is_none() && r.summaries.is_none();
        !self.summaries.contains_key(prefix) && self.routes.get(prefix).is_some_and(plain)
    }
}

impl InRoute {
    /// A route that is still to be judged.
    pub fn new(received: Arc<Attributes>, invalid: Option<&str>) -> Self {
        Self {
            received,
            invalid: invalid.map(Box::from),
            refused: None,
            summaries: None,
        }
    }
}

/// Whether routes of equal attributes are judged equally, whatever their prefixes.
pub fn is_same_for_all_prefixes(config: &PeerConfig) -> bool {
    !config.checks.iter().chain(&config.import).any(Term::needs_prefix)
}

/// What was judged of one prefix, for another one of the same attributes; only where `is_same_for_all_prefixes`.
pub fn for_prefix(judged: &Judged, prefix: Prefix) -> Judged {
    let mut judged = judged.clone();
    if let Ok(routes) = &mut judged {
        routes.iter_mut().for_each(|route| route.prefix = prefix);
    }
    judged
}
