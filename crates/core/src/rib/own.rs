//! Routes of the speaker's own.

use std::net::IpAddr;

use serde::Deserialize;

use super::adj_in::Outcome;
use super::source::{OURSELVES, Source};
use super::{RequestError, Rib};
use crate::attributes::{Attributes, Origin, parse_large_community, sequence};
use crate::policy::RouteClass;
use crate::policy::parse::{DEFAULT_WEIGHT, communities};
use crate::prefix::Prefix;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrigination {
    #[serde(default)]
    as_path: Vec<u32>,
    next_hop: IpAddr,
    #[serde(default)]
    origin: Option<String>,
    #[serde(default)]
    med: Option<u32>,
    #[serde(default)]
    local_preference: Option<u32>,
    #[serde(default)]
    weight: Option<u32>,
    #[serde(default)]
    communities: Vec<String>,
    #[serde(default)]
    large_communities: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
}

impl Rib {
    /// Put in a route of our own, instead of a former one; the tag "self" is among its tags, given or not.
    pub fn originate(&mut self, prefix: Prefix, text: &str) -> Result<(), RequestError> {
        let wrong = |what: String| RequestError(format!("route {prefix}: {what}"));
        let raw: RawOrigination = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if raw.as_path.contains(&0) {
            return Err(wrong("AS number 0 must not be in a path (RFC 7607)".into()));
        }
        let mut attributes = Attributes {
            as_path: sequence(&raw.as_path),
            med: raw.med,
            local_preference: raw.local_preference,
            communities: communities(raw.communities).map_err(wrong)?,
            ..Attributes::new(raw.next_hop)
        };
        if let Some(origin) = raw.origin {
            attributes.origin = Origin::parse(&origin).ok_or_else(|| wrong(format!("'{origin}' is no origin")))?;
        }
        for text in raw.large_communities {
            let community = parse_large_community(&text).ok_or_else(|| wrong(format!("'{text}' is no large community")))?;
            attributes.large_communities.push(community);
        }
        attributes.normalize();
        let mut tags: Vec<u32> = raw.tags.iter().map(|tag| self.tags.number(tag)).collect();
        let own = self.tags.number("self");
        if !tags.contains(&own) {
            tags.insert(0, own);
        }
        let outcome = Outcome {
            attributes: None,
            weight: raw.weight.unwrap_or(DEFAULT_WEIGHT),
            refused: None,
            invalid: None,
            summaries: Box::default(),
        };
        let (received, outcome) = (self.loc.blocks.of(&attributes), self.loc.keep(outcome));
        let source = self.own_source(tags);
        let id = self.loc.number(&prefix);
        let slot = self.loc.ranked(received, outcome, source, 0);
        self.loc.put(id, slot);
        Ok(())
    }

    /// Take away a route of our own.
    pub fn withdraw(&mut self, prefix: Prefix) {
        let own = self.own_sources.values().next();
        if let (Some(id), Some(own)) = (self.loc.find(&prefix), own) {
            self.loc.take(id, *own, false);
        }
    }

    /// The number of the source of own routes with these tags. There are as many as the configuration names.
    fn own_source(&mut self, tags: Vec<u32>) -> u32 {
        if let Some(source) = self.own_sources.get(&tags) {
            return *source;
        }
        let source = self.loc.sources.add(Source {
            peer: OURSELVES,
            asn: self.us.asn,
            ebgp: false,
            client: false,
            usable: true,
            class: RouteClass::Other,
            weight: DEFAULT_WEIGHT,
            address: None,
            router_id: self.us.router_id,
            tags: tags.clone(),
        });
        self.own_sources.insert(tags, source);
        source
    }
}
