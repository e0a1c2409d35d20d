//! Adj-RIB-In of one peer: all that it announced, refused routes with their reasons, and how each is judged (RFC 4271 section 9.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::export::Identity;
use super::ids::IdSet;
use super::loc::{Loc, NONE, Slot, WARM, flag};
use super::tally::Tally;
use crate::attributes::{AsPath, Attributes, Segment};
use crate::block::{Block, Head, Marks, has, sequence_of};
use crate::policy::{self, Facts, OverLimit, PeerConfig, Refusal, Role, Term, Trace, Working, passed, refused};
use crate::prefix::Prefix;
use crate::wire::fast::{self, Fast};
use crate::wire::nlri::version_of;

/// Why a route was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Reason and detail, as `Route` shows them.
    pub why: Refusal,
    /// Whether the checks had let it in, and a rule refused it.
    pub by_rule: bool,
}

/// What judging made of a route that was not let in as it came. The prefixes of one UPDATE share it.
#[derive(PartialEq, Debug)]
pub struct Outcome {
    /// Its attributes after import, where they are others than those received.
    pub attributes: Option<Block>,
    /// Its weight after import.
    pub weight: u32,
    /// Why it takes no part in the decision.
    pub refused: Option<Refused>,
    /// The attribute and defect for which RFC 7606 withdraws it.
    pub invalid: Option<Box<str>>,
    /// The summaries that import rules made of it.
    pub summaries: Box<[Prefix]>,
}

impl Outcome {
    /// Octets of memory that it takes, attributes aside.
    fn memory(&self) -> u64 {
        let why = self
            .refused
            .as_ref()
            .map_or(0, |refused| refused.why.reason.len() + refused.why.detail.len());
        let text = self.invalid.as_ref().map_or(0, |invalid| invalid.len());
        (size_of::<Self>() + why + text + size_of_val(&*self.summaries)) as u64
    }
}

/// Of a summary: its place among contributors, and among paths.
const SUMMARY_OCTETS: u64 = 256;

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
    if config.role.is_some_and(Role::marks_what_comes) && received.only_to_customer.is_none() {
        let before = trace.is_some().then(|| route.clone());
        Arc::make_mut(&mut route.attributes).only_to_customer = Some(config.asn);
        if let Some(before) = before {
            passed(trace, "only-to-customer", None, &before, &route);
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
    let more = asked_for(config, route);
    for (step, defect) in steps.into_iter().chain(more) {
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

/// Steps that a peer's configuration asks for.
fn asked_for(config: &PeerConfig, route: &Working) -> Vec<(&'static str, Option<String>)> {
    let a = &route.attributes;
    let mut steps = Vec::new();
    if config.reject_as_sets {
        // What came before this was asked for is judged here; what comes later was judged as it was read.
        let set = a.as_path.iter().find(|segment| matches!(segment, Segment::Set(_)));
        steps.push(("invalid", set.map(|set| format!("AS_PATH: AS_SET {set}"))));
    }
    if config.reject_own_next_hop {
        let is_ours = a.next_hop == config.local_address;
        steps.push((
            "own-next-hop",
            is_ours.then(|| format!("next hop {} is our own address", a.next_hop)),
        ));
    }
    if config.requires_policy && config.ebgp {
        let is_without = config.import.is_empty() && config.checks.is_empty();
        let defect = is_without.then(|| "RFC 8212: an external peer without an import policy".to_string());
        steps.push(("no-import-policy", defect));
    }
    if config.first_as && config.ebgp {
        let first = a.as_path.neighbor_as();
        let defect = (first != Some(config.asn)).then(|| match first {
            Some(first) => format!("the path begins with {first}, the peer is AS {}", config.asn),
            None => format!(
                "the path '{}' begins with no AS number, the peer is AS {}",
                a.as_path.text(),
                config.asn
            ),
        });
        steps.push(("first-as", defect));
    }
    if config.reject_martians {
        let all = MARTIANS.map(|(version, bits, length)| Prefix::new(version, bits, length));
        let martian = all.iter().find(|martian| martian.contains(&route.prefix));
        steps.push(("martian", martian.map(|martian| format!("within {martian}"))));
    }
    if let Some(role) = config.role {
        steps.push(("route-leak", leak(config, role, a.only_to_customer)));
    }
    steps
}

/// Prefixes that are nobody's (RFC 6890): IP version, first address, length.
const MARTIANS: [(u8, u128, u8); 9] = [
    (4, 0, 8),
    (4, 127 << 24, 8),
    (4, (169 << 24) | (254 << 16), 16),
    (4, 224 << 24, 3),
    (6, 0, 127),
    (6, 0xFFFF << 32, 96),
    (6, 0x0100 << 112, 64),
    (6, 0xFE80 << 112, 10),
    (6, 0xFF00 << 112, 8),
];

/// Whether a route came where it must not (RFC 9234 section 5).
fn leak(config: &PeerConfig, role: Role, only_to_customer: Option<u32>) -> Option<String> {
    let asn = only_to_customer?;
    match role {
        Role::Provider | Role::Rs => Some(format!("ONLY_TO_CUSTOMER {asn} on a route from a customer")),
        Role::Peer if asn != config.asn => Some(format!("ONLY_TO_CUSTOMER {asn} on a route from peer AS {}", config.asn)),
        _ => None,
    }
}

/// What becomes of a received route: its place among the paths, and the summaries that it makes, each with attributes and weight.
#[derive(Clone)]
pub struct Verdict {
    slot: Slot,
    summaries: Vec<(Prefix, Block, u32)>,
}

/// What one peer announced, as far as it does not stand with the paths of each prefix.
#[derive(Default, Debug)]
pub struct AdjIn {
    /// Numbers of the prefixes that are held, refused or not.
    pub held: IdSet,
    /// Of these refused ones, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// How many prefixes came beyond the limit since the session began, where that doesn't end it.
    pub over: u64,
    /// What its session brought.
    pub tally: Tally,
    /// What all of it takes.
    pub memory: Memory,
    /// Summaries by prefix, with what each of their contributors would make them.
    summaries: BTreeMap<Prefix, BTreeMap<Prefix, (Block, u32)>>,
}

/// What a peer's routes take of memory. It is measured, not counted, for attributes are shared; and only when enough came that it may be another.
#[derive(Default, Debug)]
pub struct Memory {
    /// When it was measured last.
    pub measured: u64,
    /// Octets of UPDATEs that came since.
    since: u64,
}

impl Memory {
    /// An UPDATE of so many octets takes at most so many times as much: a prefix of three octets has a destination of its own.
    const GROWTH: u64 = 32;

    /// So many octets of UPDATEs came.
    pub fn grow(&mut self, octets: usize) {
        self.since = self.since.saturating_add(octets as u64);
    }

    /// Something else than UPDATEs changed all of it.
    pub fn forget(&mut self) {
        self.since = self.since.max(self.measured).max(1);
    }

    /// Whether it may be beyond a limit. What comes between two measurements is in proportion to what each costs.
    pub fn may_exceed(&self, limit: u64) -> bool {
        let most = self.measured.saturating_add(self.since.saturating_mul(Self::GROWTH));
        most > limit && self.since >= (self.measured / 64).min(limit / 64)
    }

    /// Whether it is likely to be another by a sixty-fourth.
    pub fn is_old(&self) -> bool {
        self.since > self.measured / 64
    }

    /// It was measured.
    pub fn set(&mut self, measured: u64) {
        (self.measured, self.since) = (measured, 0);
    }
}

/// Where a peer's routes come in: its Adj-RIB-In, and all that is needed to judge and to place them.
pub struct Intake<'a> {
    /// Its configuration.
    pub config: &'a PeerConfig,
    /// Its number as a source.
    pub source: u32,
    /// What it announced.
    pub adj_in: &'a mut AdjIn,
    /// Who we are.
    pub us: &'a Identity,
    /// Paths of all.
    pub loc: &'a mut Loc,
}

impl AdjIn {
    /// Number of refused routes.
    pub fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }

    /// Which of these are let to the checks under a limit that doesn't end the session; the others are counted. What is held already is always let.
    pub fn limit(&mut self, announced: Vec<Prefix>, limit: usize, action: OverLimit, loc: &Loc) -> Vec<Prefix> {
        let mut new: FxHashSet<Prefix> = FxHashSet::default();
        let held = self.held.len();
        let mut let_on = announced;
        let (all, over) = (&self.held, &mut self.over);
        let_on.retain(|prefix| {
            if loc.find(prefix).is_some_and(|id| all.contains(id)) || new.contains(prefix) {
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

    /// Name all blocks that summaries have.
    pub fn name(&self, marks: &mut Marks) {
        let contributions = self.summaries.values().flat_map(BTreeMap::values);
        contributions.for_each(|(block, _)| marks.name(*block));
    }

    /// Octets of memory that all of it takes, as if nobody else had its prefixes and attributes.
    pub fn measure(&self, source: u32, loc: &Loc) -> u64 {
        let mut blocks = IdSet::default();
        let mut outcomes = IdSet::default();
        let mut octets = 0;
        let mut of_block = |block: Block| {
            if blocks.insert(block.number()) {
                loc.blocks.memory(block)
            } else {
                0
            }
        };
        for id in self.held.iter() {
            let Some(slot) = loc.get(id, source, false) else { continue };
            octets += loc.memory(id) + of_block(slot.received);
            if let Some(outcome) = loc.outcome(slot)
                && outcomes.insert(slot.outcome)
            {
                octets += outcome.memory() + outcome.attributes.map_or(0, &mut of_block);
            }
        }
        for (block, _) in self.summaries.values().flat_map(BTreeMap::values) {
            octets += SUMMARY_OCTETS + of_block(*block);
        }
        octets
    }

    fn count(&mut self, outcome: Option<&Outcome>, is_there: bool) {
        let Some(refused) = outcome.and_then(|outcome| outcome.refused.as_ref()) else {
            return;
        };
        let reason = &refused.why.reason;
        if let Some(count) = self.refusals.get_mut(reason) {
            *count = if is_there { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.refusals.remove(reason);
            }
        } else {
            self.refusals.insert(reason.clone(), 1);
        }
    }
}

impl Intake<'_> {
    /// What becomes of a route that is let in as it came.
    pub fn as_it_came(&self, received: Block) -> Verdict {
        Verdict {
            slot: self.loc.ranked(received, NONE, self.source, 0),
            summaries: Vec::new(),
        }
    }

    /// Judge a received route. `attributes` are those of the block.
    pub fn judge(&mut self, prefix: Prefix, received: Block, attributes: &Arc<Attributes>, invalid: Option<&str>) -> Verdict {
        let judged = judge(self.config, self.us, prefix, attributes, invalid, &mut None);
        let mut verdict = self.as_it_came(received);
        let mut outcome = Outcome {
            attributes: None,
            weight: self.config.weight,
            refused: None,
            invalid: invalid.map(Box::from),
            summaries: Box::default(),
        };
        match judged {
            Err(refused) => {
                outcome.refused = Some(refused);
                verdict.slot.flags = flag::REFUSED;
            }
            Ok(routes) => {
                let mut is_direct = false;
                for working in routes {
                    if working.summary {
                        let block = self.loc.blocks.of(&working.attributes);
                        verdict.summaries.push((working.prefix, block, working.weight));
                        continue;
                    }
                    is_direct = true;
                    outcome.weight = working.weight;
                    if !Arc::ptr_eq(&working.attributes, attributes) {
                        outcome.attributes = Some(self.loc.blocks.of(&working.attributes)).filter(|block| *block != received);
                    }
                }
                outcome.summaries = verdict.summaries.iter().map(|(summary, ..)| *summary).collect();
                if !is_direct {
                    verdict.slot.flags = flag::SUMMARIZED;
                }
            }
        }
        let is_as_it_came = verdict.slot.flags == 0 && outcome.attributes.is_none() && outcome.weight == self.config.weight;
        if !is_as_it_came || outcome.invalid.is_some() {
            verdict.slot.outcome = self.loc.keep(outcome);
            verdict.slot.rank = self.loc.rank(&verdict.slot);
        }
        verdict
    }

    /// Take in an UPDATE of the common kind; false, and nothing is done, where a limit may be reached. `keys` is used memory.
    pub fn take_fast(&mut self, update: Fast<'_>, is_plain: bool, keys: &mut Vec<u64>) -> bool {
        keys.clear();
        fast::keys(update.announced, keys);
        if self
            .config
            .max_prefixes
            .is_some_and(|max| self.adj_in.held.len() + keys.len() > max.limit as usize)
        {
            return false;
        }
        let tally = &mut self.adj_in.tally;
        tally.updates_in += 1;
        tally.announced_in += keys.len() as u64;
        if !update.withdrawn.is_empty() {
            let mut withdrawn = Vec::new();
            fast::keys(update.withdrawn, &mut withdrawn);
            tally.withdrawn_in += withdrawn.len() as u64;
            for some in withdrawn.chunks(WARM) {
                self.loc.warm(some);
                for key in some {
                    if let Some(id) = self.loc.find_key(*key) {
                        self.withdraw(id);
                    }
                }
            }
        }
        let Some((octets, head)) = update.attributes else { return true };
        let is_let_in = is_plain && is_let_in_as_it_came(self.config, self.us, &head, octets);
        let received = self.loc.blocks.of_octets(octets, head);
        if is_let_in {
            let verdict = self.as_it_came(received);
            for some in keys.chunks(WARM) {
                self.loc.warm(some);
                for key in some {
                    let id = self.loc.number_key(*key);
                    self.announce(id, &verdict);
                }
            }
            return true;
        }
        let ids: Vec<u32> = keys.iter().map(|key| self.loc.number_key(*key)).collect();
        let attributes = self.loc.blocks.attributes(received);
        self.announce_judged(&ids, received, &attributes, None);
        true
    }

    /// These prefixes were withdrawn.
    pub fn withdraw_all(&mut self, prefixes: &[Prefix]) {
        for prefix in prefixes {
            if let Some(id) = self.loc.find(prefix) {
                self.withdraw(id);
            }
        }
    }

    /// These prefixes were announced; `invalid`: RFC 7606 withdraws them.
    pub fn announce_all(&mut self, prefixes: &[Prefix], attributes: Attributes, invalid: Option<&str>) {
        let received = self.loc.blocks.of(&attributes);
        let ids: Vec<u32> = prefixes.iter().map(|prefix| self.loc.number(prefix)).collect();
        self.announce_judged(&ids, received, &Arc::new(attributes), invalid);
    }

    fn announce_judged(&mut self, ids: &[u32], received: Block, attributes: &Arc<Attributes>, invalid: Option<&str>) {
        let is_same = is_same_for_all_prefixes(self.config);
        let mut verdict = None;
        let mut looped = None;
        for id in ids {
            if verdict.is_none() || !is_same {
                verdict = Some(self.judge(self.loc.prefix(*id), received, attributes, invalid));
            }
            if let Some(verdict) = &verdict {
                let refused = self.loc.outcome(&verdict.slot).and_then(|outcome| outcome.refused.as_ref());
                match refused.map(|refused| refused.why.reason.as_str()) {
                    None | Some("invalid") => {}
                    Some(loops @ ("as-loop" | "cluster-loop")) => looped = Some(loops == "as-loop"),
                    Some(_) => self.adj_in.tally.rejected_in += 1,
                }
                self.announce(*id, verdict);
            }
        }
        let tally = &mut self.adj_in.tally;
        match looped {
            Some(true) => tally.as_loops_in += 1,
            Some(false) if attributes.originator_id == Some(self.us.router_id) => tally.originator_loops_in += 1,
            Some(false) => tally.cluster_loops_in += 1,
            None => {}
        }
    }

    /// What is held of these families becomes stale, but what is stale already goes, as does the rest.
    pub fn keep_as_stale(&mut self, keep: &[(u16, u8)]) {
        for id in self.adj_in.held.iter().collect::<Vec<_>>() {
            let (version, _) = self.loc.shape(id);
            let is_kept = keep.iter().any(|(afi, safi)| version_of(*afi, *safi) == Some(version));
            if !is_kept || !self.loc.mark(id, self.source, flag::STALE) {
                self.withdraw(id);
            }
        }
    }

    /// What is held of this IP version becomes stale.
    pub fn mark_stale(&mut self, version: Option<u8>) {
        for id in self.adj_in.held.iter() {
            if Some(self.loc.shape(id).0) == version {
                self.loc.mark(id, self.source, flag::STALE);
            }
        }
    }

    /// What is stale of this IP version goes; how many routes that were.
    pub fn sweep_stale(&mut self, version: Option<u8>) -> usize {
        let is_stale = |id: &u32| {
            let slot = self.loc.get(*id, self.source, false);
            Some(self.loc.shape(*id).0) == version && slot.is_some_and(|slot| slot.flags & flag::STALE != 0)
        };
        let stale: Vec<u32> = self.adj_in.held.iter().filter(is_stale).collect();
        for id in &stale {
            self.withdraw(*id);
        }
        stale.len()
    }

    /// The peer announced it, or it is judged anew.
    pub fn announce(&mut self, id: u32, verdict: &Verdict) {
        let mut slot = verdict.slot;
        let adj_in = &mut *self.adj_in;
        if !adj_in.summaries.is_empty() && adj_in.summaries.contains_key(&self.loc.prefix(id)) {
            slot.flags |= flag::HIDDEN;
        }
        adj_in.count(self.loc.outcome(&slot), true);
        let Some(old) = self.loc.put(id, slot) else {
            adj_in.held.insert(id);
            if !verdict.summaries.is_empty() {
                self.summarize(id, &[], &verdict.summaries);
            }
            return;
        };
        let outcome = self.loc.outcome(&old);
        adj_in.count(outcome, false);
        let made = outcome.map_or_else(Box::default, |outcome| outcome.summaries.clone());
        if !made.is_empty() || !verdict.summaries.is_empty() {
            self.summarize(id, &made, &verdict.summaries);
        }
    }

    /// The peer withdrew it, whether it had announced it or not.
    pub fn withdraw(&mut self, id: u32) {
        let Some(old) = self.loc.take(id, self.source, false) else { return };
        self.adj_in.held.remove(id);
        let outcome = self.loc.outcome(&old);
        self.adj_in.count(outcome, false);
        let made = outcome.map_or_else(Box::default, |outcome| outcome.summaries.clone());
        if !made.is_empty() {
            self.summarize(id, &made, &[]);
        }
    }

    /// Judge all that is held anew.
    pub fn judge_anew(&mut self) {
        for id in self.adj_in.held.iter().collect::<Vec<_>>() {
            let Some(slot) = self.loc.get(id, self.source, false) else {
                continue;
            };
            let (received, stale) = (slot.received, slot.flags & flag::STALE);
            let invalid = self.loc.outcome(slot).and_then(|outcome| outcome.invalid.clone());
            let attributes = self.loc.blocks.attributes(received);
            let mut verdict = self.judge(self.loc.prefix(id), received, &attributes, invalid.as_deref());
            verdict.slot.flags |= stale;
            self.announce(id, &verdict);
        }
    }

    /// It made some summaries, and makes others now. A summary goes before the peer's own route to the same prefix, and is as its first contributor by
    /// prefix makes it.
    fn summarize(&mut self, id: u32, former: &[Prefix], now: &[(Prefix, Block, u32)]) {
        let contributor = self.loc.prefix(id);
        let mut touched: Vec<Prefix> = former.to_vec();
        for summary in former {
            if let Some(contributors) = self.adj_in.summaries.get_mut(summary) {
                contributors.remove(&contributor);
                if contributors.is_empty() {
                    self.adj_in.summaries.remove(summary);
                }
            }
        }
        for (summary, block, weight) in now {
            let contributors = self.adj_in.summaries.entry(*summary).or_default();
            contributors.insert(contributor, (*block, *weight));
            touched.push(*summary);
        }
        touched.sort_unstable();
        touched.dedup();
        for summary in touched {
            self.place_summary(&summary);
        }
    }

    fn place_summary(&mut self, summary: &Prefix) {
        let first = self.adj_in.summaries.get(summary).and_then(|all| all.values().next()).cloned();
        let is_there = first.is_some();
        let id = if let Some((received, weight)) = first {
            let id = self.loc.number(summary);
            let outcome = Outcome {
                attributes: None,
                weight,
                refused: None,
                invalid: None,
                summaries: Box::default(),
            };
            let outcome = self.loc.keep(outcome);
            let slot = self.loc.ranked(received, outcome, self.source, flag::SUMMARY);
            self.loc.put(id, slot);
            id
        } else {
            let Some(id) = self.loc.find(summary) else { return };
            self.loc.take(id, self.source, true);
            id
        };
        if let Some(direct) = self.loc.get(id, self.source, false)
            && (direct.flags & flag::HIDDEN != 0) != is_there
        {
            let mut direct = *direct;
            direct.flags ^= flag::HIDDEN;
            self.loc.put(id, direct);
        }
    }
}

/// Whether routes of equal attributes are judged equally, whatever their prefixes.
pub fn is_same_for_all_prefixes(config: &PeerConfig) -> bool {
    !config.reject_martians && !config.checks.iter().chain(&config.import).any(Term::needs_prefix)
}

/// Whether nothing of the configuration can refuse or change a route but what `is_let_in_as_it_came` looks at.
pub fn is_plain(config: &PeerConfig) -> bool {
    let asks = config.discard_med || config.requires_policy || config.reject_martians || config.role.is_some();
    config.checks.is_empty() && config.import.is_empty() && !asks
}

/// Whether a peer of plain configuration has this route let in as it came: `judge` would say the same.
pub fn is_let_in_as_it_came(config: &PeerConfig, us: &Identity, head: &Head, octets: &[u8]) -> bool {
    let is_from_it = !(config.first_as && config.ebgp) || head.neighbor_as == config.asn;
    let is_to_us = config.reject_own_next_hop && head.next_hop == config.local_address;
    if head.has(has::INTERNAL | has::SETS | has::OTHERS) || !is_from_it || is_to_us {
        return false;
    }
    let own = us.asn.to_be_bytes();
    sequence_of(octets).is_some_and(|asns| asns.iter().filter(|asn| **asn == own).count() <= config.allowas_in)
}
