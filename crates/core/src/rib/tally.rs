//! What a peer's session brought, counted since it began.

use std::collections::BTreeMap;

use crate::wire::{NotificationError, Update, notification::code};

/// Numbers of one session.
#[derive(Default, Debug)]
pub struct Tally {
    /// UPDATE messages received.
    pub updates_in: u64,
    /// UPDATE messages sent.
    pub updates_out: u64,
    /// Prefixes that were announced, again ones included.
    pub announced_in: u64,
    /// Prefixes that were withdrawn, unknown ones included.
    pub withdrawn_in: u64,
    /// Routes that a check or a rule refused as they came; loops and what RFC 7606 withdraws aside.
    pub rejected_in: u64,
    /// UPDATEs whose routes were refused for our own AS number in their path (RFC 4271 section 9.1.2).
    pub as_loops_in: u64,
    /// UPDATEs whose routes were refused for our cluster in their CLUSTER_LIST (RFC 4456 section 8).
    pub cluster_loops_in: u64,
    /// UPDATEs whose routes were refused as they name us in ORIGINATOR_ID.
    pub originator_loops_in: u64,
    /// UPDATEs that RFC 7606 takes for withdrawals, and how many prefixes they announced.
    pub treated_as_withdraw: (u64, u64),
    /// Messages by attribute and by what its defect meant: the words of RFC 7606.
    malformed: BTreeMap<(String, &'static str), u64>,
}

impl Tally {
    /// An UPDATE was read.
    pub fn read(&mut self, update: &Update) {
        self.updates_in += 1;
        self.announced_in += update.announced.len() as u64;
        self.withdrawn_in += update.withdrawn.len() as u64;
        if let Some(reason) = &update.treat_as_withdraw {
            self.treated_as_withdraw.0 += 1;
            self.treated_as_withdraw.1 += update.announced.len() as u64;
            self.count(reason, "treat-as-withdraw");
        }
        for reason in &update.discarded {
            self.count(reason, "attribute-discard");
        }
    }

    /// An UPDATE ended the session.
    pub fn failed(&mut self, error: &NotificationError) {
        if error.code == code::UPDATE {
            self.count(&error.reason, "session-reset");
        }
    }

    /// Reasons begin with the attribute's name.
    fn count(&mut self, reason: &str, verdict: &'static str) {
        let attribute = reason.split_once(':').map_or("message", |(name, _)| name);
        *self.malformed.entry((attribute.to_string(), verdict)).or_default() += 1;
    }

    /// By name: `malformed/ATTRIBUTE/VERDICT` for those that occurred.
    pub fn numbers(&self) -> BTreeMap<String, u64> {
        let malformed = self.malformed.iter();
        let mut numbers: BTreeMap<String, u64> = malformed
            .map(|((attribute, verdict), count)| (format!("malformed/{attribute}/{verdict}"), *count))
            .collect();
        let (treated, treated_prefixes) = self.treated_as_withdraw;
        let plain = [
            ("updates_in", self.updates_in),
            ("updates_out", self.updates_out),
            ("announced_in", self.announced_in),
            ("withdrawn_in", self.withdrawn_in),
            ("rejected_in", self.rejected_in),
            ("as_loops_in", self.as_loops_in),
            ("cluster_loops_in", self.cluster_loops_in),
            ("originator_loops_in", self.originator_loops_in),
            ("treated_as_withdraw", treated),
            ("prefixes_treated_as_withdraw", treated_prefixes),
        ];
        numbers.extend(plain.map(|(name, count)| (name.to_string(), count)));
        numbers
    }
}
