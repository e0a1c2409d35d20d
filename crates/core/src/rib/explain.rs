//! Why a route was let in or told, step by step: the same functions that judge it run once more, and note what they do.

use serde_json::{Map, Value, json};

use super::adj_in::judge;
use super::export::{Audience, SessionOptions, export};
use super::{RequestError, Rib, no_peer};
use crate::attributes::{AsPath, community_text};
use crate::block::DEFAULT_LOCAL_PREFERENCE;
use crate::policy::{OwnBest, Step, Working, passed, refused};
use crate::prefix::Prefix;
use crate::wire::MAX_MESSAGE;

impl Rib {
    /// JSON list of the steps of a received route; `[]` where the peer announced no such prefix.
    pub fn explain_import(&self, number: u32, prefix: Prefix) -> Result<String, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let mut steps = Vec::new();
        let id = self.loc.find(&prefix);
        if let Some(slot) = id.and_then(|id| self.loc.get(id, peer.source, false)) {
            let invalid = self.loc.outcome(slot).and_then(|outcome| outcome.invalid.as_deref());
            // The result is known; the steps are asked for.
            let _ = judge(
                &peer.config,
                &self.us,
                prefix,
                &self.loc.blocks.attributes(slot.received),
                invalid,
                &mut Some(&mut steps),
            );
        }
        Ok(text(&steps))
    }

    /// JSON list of the steps of the best route on its way to a peer, of the second best where that is for its sender; `[]` where there is none. Of a peer that is down: as if all were agreed on.
    pub fn explain_export(&self, number: u32, prefix: Prefix) -> Result<String, RequestError> {
        let peer = self.peers.get(&number).ok_or_else(|| no_peer(number))?;
        let all = SessionOptions {
            four_octet: true,
            ipv4: true,
            ipv6: true,
            max_message: MAX_MESSAGE,
        };
        let to = Audience::new(&peer.config, peer.session.map_or(all, |(session, _)| session));
        let mut steps = Vec::new();
        if let Some(decided) = self.loc.find(&prefix).and_then(|id| self.loc.decided(id)) {
            let path = &self.loc.path(&decided.best);
            let route = Working::new(prefix, &path.attributes, path.weight);
            let trace = &mut Some(&mut steps);
            if path.source.peer == number as i32 {
                refused(trace, "split-horizon", None, &route, "split-horizon");
                if let (OwnBest::Second, Some(second)) = (to.own, decided.second) {
                    let second = &self.loc.path(&second);
                    let route = Working::new(prefix, &second.attributes, second.weight);
                    passed(trace, "second-best", None, &route, &route);
                    let _ = export(prefix, second, &to, &self.us, trace);
                }
            } else {
                passed(trace, "split-horizon", None, &route, &route);
                let _ = export(prefix, path, &to, &self.us, trace);
            }
        }
        Ok(text(&steps))
    }
}

fn text(steps: &[Step]) -> String {
    Value::Array(steps.iter().map(step).collect()).to_string()
}

fn step(step: &Step) -> Value {
    let effect = match (&step.reason, step.before == step.after) {
        (Some(_), _) => "reject",
        (None, true) => "pass",
        (None, false) => "change",
    };
    json!({
        "step": step.step,
        "effect": effect,
        "term": step.term,
        "reason": step.reason,
        "before": shown(&step.before),
        "after": shown(&step.after),
    })
}

fn shown(route: &Working) -> Value {
    let a = &route.attributes;
    let communities: Vec<String> = a.communities.iter().map(|c| community_text(*c)).collect();
    let mut row = Map::new();
    row.insert("prefix".into(), route.prefix.to_string().into());
    row.insert("as_path".into(), a.as_path.text().into());
    row.insert("next_hop".into(), a.next_hop.to_string().into());
    row.insert("communities".into(), communities.into());
    row.insert(
        "local_preference".into(),
        a.local_preference.unwrap_or(DEFAULT_LOCAL_PREFERENCE).into(),
    );
    row.insert("med".into(), a.med.into());
    row.insert("weight".into(), route.weight.into());
    row.into()
}
