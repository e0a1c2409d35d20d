//! What is done one after the other, and what is told of it: a line of JSON for each phase, and for each sample of a long one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::ledger::Counts;
use crate::load::Load;
use crate::plan::{Phase, Plan};
use crate::sys;
use crate::table::Route;
use crate::wire;

const TURN: Duration = Duration::from_millis(20);
/// Of churn, so many UPDATEs in 1,000 withdraw.
const WITHDRAWALS: u32 = 250;

/// When a phase began, and what was there then.
struct Begin {
    at: Instant,
    cpu_s: f64,
    own_s: f64,
    lost: usize,
}

/// Do all of a plan; whether all was right after every phase, and no session was lost.
pub fn run(plan: Plan, tell: &mut dyn FnMut(Value)) -> Result<bool, String> {
    sys::raise_file_limit();
    let then = plan.then.clone();
    let mut load = Load::new(plan)?;
    let streams: Vec<Vec<u8>> = (0..load.plan.senders).map(|sender| load.table.announce(sender)).collect();
    let octets: usize = streams.iter().map(Vec::len).sum();
    let begun = Instant::now();
    load.establish()?;
    let established_s = begun.elapsed().as_secs_f64();
    rest(&mut load, Duration::from_millis(500))?;
    let (rss_kib, _) = sys::memory_kib(&load.plan.pids);
    let routes = load.plan.prefixes * load.plan.senders;
    tell(
        json!({"event": "established", "peers": load.peers.len(), "routes": routes, "octets": octets,
                "seconds": established_s, "rss_kib": rss_kib}),
    );
    let mut fine = announce(&mut load, streams, tell)?;
    for phase in then {
        fine &= follow(&mut load, phase, tell)?;
    }
    Ok(fine)
}

/// Wait until no UPDATE has come for a while.
fn rest(load: &mut Load, quiet: Duration) -> Result<(), String> {
    let begun = Instant::now();
    load.updated = begun;
    while load.updated.elapsed() < quiet && begun.elapsed().as_secs_f64() < load.plan.timeout_s {
        load.turn(TURN)?;
    }
    Ok(())
}

fn announce(load: &mut Load, streams: Vec<Vec<u8>>, tell: &mut dyn FnMut(Value)) -> Result<bool, String> {
    load.announcing.fill(true);
    load.ledger.expect(&load.table, &load.announcing);
    let begin = begin(load);
    for (sender, stream) in streams.into_iter().enumerate() {
        load.say_whole(sender, stream);
    }
    settle(load, "announce", begin, json!({}), tell)
}

fn follow(load: &mut Load, phase: Phase, tell: &mut dyn FnMut(Value)) -> Result<bool, String> {
    let begin = begin(load);
    let more = match phase {
        Phase::Withdraw => {
            withdraw(load);
            json!({})
        }
        Phase::Drop { peer } => {
            load.end(peer);
            json!({})
        }
        Phase::Latency { rounds } => latency(load, rounds)?,
        Phase::Stay { seconds, every_s } => {
            samples(load, phase, &begin, seconds, every_s, tell, &mut |_, _| Ok(TURN * 5))?;
            json!({})
        }
        Phase::Churn { rate, seconds, every_s } => {
            let mut churn = Churn::new(load, rate);
            samples(load, phase, &begin, seconds, every_s, tell, &mut |load, at| {
                Ok(churn.go_on(load, at))
            })?;
            json!({"sent_updates": churn.made})
        }
    };
    settle(load, phase.name(), begin, more, tell)
}

fn begin(load: &mut Load) -> Begin {
    load.ledger.counts = Counts::default();
    (load.right, load.sent) = (None, None);
    Begin {
        at: Instant::now(),
        cpu_s: sys::cpu_s(&load.plan.pids),
        own_s: own_s(),
        lost: load.lost.len(),
    }
}

fn own_s() -> f64 {
    sys::cpu_s(&[std::process::id() as i32])
}

/// Wait until all is right and has been quiet, and tell how it was.
fn settle(load: &mut Load, name: &str, begin: Begin, more: Value, tell: &mut dyn FnMut(Value)) -> Result<bool, String> {
    let deadline = Instant::now() + Duration::from_secs_f64(load.plan.timeout_s);
    let quiet = Duration::from_secs_f64(load.plan.quiet_s);
    let mut busy = (Instant::now(), sys::cpu_s(&load.plan.pids));
    let done = loop {
        load.turn(TURN)?;
        let (Some(right), Some(sent)) = (load.right, load.sent) else {
            if Instant::now() > deadline {
                break None;
            }
            busy = (Instant::now(), sys::cpu_s(&load.plan.pids));
            continue;
        };
        if load.unread() > 0 {
            busy.0 = Instant::now();
        }
        let still = right
            .max(sent)
            .max(busy.0)
            .max(if load.ledger.counts.updates > 0 { load.updated } else { begin.at });
        if still.elapsed() < quiet {
            if Instant::now() > deadline {
                break None;
            }
            continue;
        }
        // One that tells nobody may still be at work.
        let spent_s = sys::cpu_s(&load.plan.pids);
        if load.peers.len() == 1 && spent_s - busy.1 > 0.2 * (Instant::now() - busy.0).as_secs_f64() {
            busy = (Instant::now(), spent_s);
            continue;
        }
        break Some(right.max(sent));
    };
    tell(report(load, name, &begin, done, more));
    Ok(done.is_some() && load.lost.len() == begin.lost)
}

fn report(load: &Load, name: &str, begin: &Begin, done: Option<Instant>, more: Value) -> Value {
    let (rss_kib, peak_kib) = sys::memory_kib(&load.plan.pids);
    let counts = load.ledger.counts;
    let seconds = |until: Instant| until.saturating_duration_since(begin.at).as_secs_f64();
    let mut said = json!({
        "event": "phase", "name": name, "right": done.is_some(), "wall_s": done.map(seconds),
        "last_update_s": (counts.updates > 0).then(|| seconds(load.updated)),
        "cpu_s": sys::cpu_s(&load.plan.pids) - begin.cpu_s, "load_cpu_s": own_s() - begin.own_s,
        "rss_kib": rss_kib, "peak_kib": peak_kib, "established": load.established(),
        "updates": counts.updates, "announced": counts.announced, "withdrawn": counts.withdrawn, "octets": counts.octets,
        "held": load.ledger.held(), "wrong": load.ledger.all_wrong, "echoes": counts.echoes, "unknown": counts.unknown,
        "next_hops_changed": counts.next_hops, "malformed": counts.malformed,
        "lost": load.lost[begin.lost..].iter().map(|lost| json!({"peer": lost.peer, "why": lost.why})).collect::<Vec<_>>(),
    });
    if let (Value::Object(said), Value::Object(more)) = (&mut said, more) {
        said.extend(more);
    }
    said
}

/// Every sender withdraws its prefixes, as many in an UPDATE as there is room for.
fn withdraw(load: &mut Load) {
    const MANY: usize = 800; // of at most 5 octets each
    for sender in 0..load.plan.senders {
        let mut stream = Vec::new();
        for zone in (0..load.table.zones()).filter(|zone| load.table.rank(sender, *zone).is_some()) {
            let end = load.table.prefixes.len().min((zone + 1) * load.table.zone);
            load.table.prefixes[zone * load.table.zone..end]
                .chunks(MANY)
                .for_each(|part| wire::withdraw(part, &mut stream));
        }
        load.say_whole(sender, stream);
    }
    load.announcing.fill(false);
    load.ledger.expect(&load.table, &load.announcing);
}

/// Microseconds from an UPDATE's sending until the last speaker has it.
fn latency(load: &mut Load, rounds: usize) -> Result<Value, String> {
    let mut chance = Chance::new(&[load.plan.seed, 4]);
    let mut taken = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let number = chance.below(load.plan.prefixes as u32) as usize;
        let octets = anew(load, 0, number);
        let begun = Instant::now();
        load.right = None;
        load.say(0, &octets);
        while load.right.is_none() {
            load.turn(TURN)?;
            if begun.elapsed().as_secs_f64() > load.plan.timeout_s {
                return Ok(json!({"rounds": taken.len()}));
            }
        }
        taken.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken.get(((taken.len() as f64 * share) as usize).min(taken.len().saturating_sub(1)));
    Ok(json!({"rounds": taken.len(), "latency_us": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "most": taken.last()}}))
}

/// A prefix with another path than before, as an UPDATE.
fn anew(load: &mut Load, sender: usize, number: usize) -> Vec<u8> {
    let generation = load.ledger.change(&load.table, number, false);
    let mut out = Vec::new();
    load.table.update(
        Route {
            sender: sender as u16,
            count: 1,
            start: number as u32,
            generation,
        },
        &mut out,
    );
    out
}

/// Senders in turn announce single prefixes anew, withdraw them, and announce them again.
struct Churn {
    chance: Chance,
    rate: f64,
    made: u64,
}

impl Churn {
    fn new(load: &Load, rate: u32) -> Self {
        Self {
            chance: Chance::new(&[load.plan.seed, 5]),
            rate: f64::from(rate),
            made: 0,
        }
    }

    /// Send what is due after so many seconds; how long there is time for other things.
    fn go_on(&mut self, load: &mut Load, at_s: f64) -> Duration {
        let due = (at_s * self.rate) as u64;
        while self.made < due {
            let sender = (self.made % load.plan.senders as u64) as usize;
            self.made += 1;
            if !load.announcing[sender] {
                continue;
            }
            let number = sender * load.plan.prefixes + self.chance.below(load.plan.prefixes as u32) as usize;
            let octets = if !load.ledger.is_gone(number) && self.chance.often(WITHDRAWALS) {
                load.ledger.change(&load.table, number, true);
                let mut out = Vec::new();
                wire::withdraw(&[load.table.prefixes[number]], &mut out);
                out
            } else {
                anew(load, sender, number)
            };
            load.say(sender, &octets);
        }
        Duration::from_millis(1)
    }
}

/// For so long do something again and again, and tell now and then how it is.
fn samples(
    load: &mut Load,
    phase: Phase,
    begin: &Begin,
    seconds: f64,
    every_s: f64,
    tell: &mut dyn FnMut(Value),
    go_on: &mut dyn FnMut(&mut Load, f64) -> Result<Duration, String>,
) -> Result<(), String> {
    let (mut last, mut cpu_s) = (begin.at, begin.cpu_s);
    while begin.at.elapsed().as_secs_f64() < seconds {
        let wait = go_on(load, begin.at.elapsed().as_secs_f64())?;
        load.turn(wait)?;
        let since_s = last.elapsed().as_secs_f64();
        if since_s >= every_s {
            let spent_s = sys::cpu_s(&load.plan.pids);
            let (rss_kib, _) = sys::memory_kib(&load.plan.pids);
            tell(
                json!({"event": "sample", "phase": phase.name(), "at_s": begin.at.elapsed().as_secs_f64(),
                        "cpu_percent": (spent_s - cpu_s) / since_s * 100.0, "rss_kib": rss_kib, "established": load.established(),
                        "lost": load.lost.len(), "updates": load.ledger.counts.updates, "wrong": load.ledger.all_wrong}),
            );
            (last, cpu_s) = (Instant::now(), spent_s);
        }
    }
    Ok(())
}
