//! What is to be done, as the caller writes it: one JSON object.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::Deserialize;

/// The speakers, their load and the phases after it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where the route server listens.
    pub to: SocketAddrV4,
    /// Of the first speaker; the others have those that follow.
    pub first_address: Ipv4Addr,
    /// The route server's AS.
    pub asn: u32,
    pub first_asn: u32,
    /// Speakers that announce, and are told what the others announce.
    pub senders: usize,
    /// Speakers that only listen.
    #[serde(default)]
    pub receivers: usize,
    /// Of each sender.
    pub prefixes: usize,
    #[serde(default)]
    pub table: Shape,
    /// Whose path is the shortest everywhere, in a table that is the same for all; else each has its share.
    #[serde(default)]
    pub preferred: Option<usize>,
    #[serde(default)]
    pub own: Own,
    #[serde(default = "hold_s")]
    pub hold_s: u16,
    #[serde(default = "one")]
    pub seed: u64,
    /// So long nothing may come before a phase is over.
    #[serde(default = "quiet_s")]
    pub quiet_s: f64,
    /// For each phase.
    #[serde(default = "timeout_s")]
    pub timeout_s: f64,
    /// Processes whose time and memory are counted.
    #[serde(default)]
    pub pids: Vec<i32>,
    #[serde(default)]
    pub then: Vec<Phase>,
}

/// Who announces what.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Each sender has prefixes of its own.
    #[default]
    Disjoint,
    /// All announce the same prefixes, with paths of their own in UPDATEs cut differently.
    Same,
}

/// What a speaker is told of a prefix whose best path is its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// Nothing.
    None,
    /// The best of the others' paths (RFC 7947 section 2.3).
    Second,
    /// Either.
    #[default]
    Any,
}

/// What follows when all are told everything.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Phase {
    /// Every sender withdraws all.
    Withdraw,
    /// A speaker's connection ends.
    Drop { peer: usize },
    /// The first sender announces one prefix anew, again and again, each time when all have the last.
    Latency { rounds: usize },
    /// Nothing but KEEPALIVEs.
    Stay { seconds: f64, every_s: f64 },
    /// So many UPDATEs a second, of all senders in turn: new paths, withdrawals, announcements.
    Churn { rate: u32, seconds: f64, every_s: f64 },
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Withdraw => "withdraw",
            Self::Drop { .. } => "drop",
            Self::Latency { .. } => "latency",
            Self::Stay { .. } => "stay",
            Self::Churn { .. } => "churn",
        }
    }
}

impl Plan {
    /// Read one, and see that it can be done.
    pub fn read(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| format!("the plan is wrong: {error}"))?;
        if plan.senders == 0 || plan.prefixes == 0 {
            return Err("a load needs a sender and a prefix".to_string());
        }
        if plan.table == Shape::Same && plan.senders > usize::from(crate::ledger::RANKS) {
            return Err(format!("at most {} speakers can announce the same prefixes", crate::ledger::RANKS));
        }
        let churns = plan
            .then
            .iter()
            .any(|phase| matches!(phase, Phase::Churn { .. } | Phase::Latency { .. }));
        if churns && plan.table == Shape::Same {
            return Err("paths change only where each sender has prefixes of its own".to_string());
        }
        if plan.preferred.is_some_and(|who| who >= plan.senders) {
            return Err("who is preferred must be a sender".to_string());
        }
        if plan
            .then
            .iter()
            .any(|phase| matches!(phase, Phase::Drop { peer } if *peer >= plan.peers()))
        {
            return Err("no such speaker to drop".to_string());
        }
        if plan.then.iter().any(|phase| matches!(phase, Phase::Churn { rate: 0, .. })) {
            return Err("churn needs a rate".to_string());
        }
        Ok(plan)
    }

    pub fn peers(&self) -> usize {
        self.senders + self.receivers
    }

    pub fn address(&self, peer: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.first_address) + peer as u32)
    }

    pub fn asn_of(&self, peer: usize) -> u32 {
        self.first_asn + peer as u32
    }
}

fn hold_s() -> u16 {
    240
}

fn one() -> u64 {
    1
}

fn quiet_s() -> f64 {
    1.0
}

fn timeout_s() -> f64 {
    120.0
}
