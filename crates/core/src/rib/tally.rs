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
        numbers.insert("updates_in".into(), self.updates_in);
        numbers.insert("updates_out".into(), self.updates_out);
        numbers.insert("announced_in".into(), self.announced_in);
        numbers.insert("withdrawn_in".into(), self.withdrawn_in);
        numbers
    }
}
