//! Writing UPDATE (RFC 4271 section 4.3, RFC 4760, RFC 6793), with as many prefixes in each message as fit.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::verdict::{EXTENDED_LENGTH, OPTIONAL, TRANSITIVE, kind};
use super::{HEADER_LENGTH, MAX_EXTENDED_MESSAGE, as_path, begin, finish, message, message_type, nlri};
use crate::attributes::Attributes;
use crate::block::{Block, Blocks, has};
use crate::prefix::Prefix;

/// A withdrawal of one IPv6 prefix takes 47 octets; a smaller limit than this is taken as this.
const LEAST_MESSAGE: usize = 64;
const WELL_KNOWN: u8 = TRANSITIVE;

/// How a session writes UPDATEs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EncodeOptions {
    /// Both ends gave the four-octet AS capability (RFC 6793).
    pub four_octet: bool,
    /// Longest message, header included: 4096, or 65535 (RFC 8654).
    pub max_message: usize,
    /// The peer is external: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are not sent (RFC 4271 section 5.1.5, RFC 4456 section 8).
    pub ebgp: bool,
}

impl EncodeOptions {
    fn limit(&self) -> usize {
        self.max_message.clamp(LEAST_MESSAGE, MAX_EXTENDED_MESSAGE)
    }
}

/// Why a route can't be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// The attributes leave no room for this prefix in one message.
    TooLong(Prefix),
    /// The next hop is of the other IP version than this prefix.
    NextHopVersion(Prefix),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(prefix) => write!(f, "the attributes leave no room for {prefix} in one message"),
            Self::NextHopVersion(prefix) => write!(f, "the next hop of {prefix} is of the other IP version"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The octets of one attribute block, ready for any number of messages.
#[derive(Clone, Debug)]
pub struct AttributeBlock<'a> {
    next_hop: IpAddr,
    /// All but MP_REACH_NLRI; None where one alone is over 65535 octets.
    octets: Option<Cow<'a, [u8]>>,
    limit: usize,
}

impl<'a> AttributeBlock<'a> {
    /// Write the attributes once.
    pub fn new(attributes: &Attributes, options: &EncodeOptions) -> Self {
        Self {
            next_hop: attributes.next_hop,
            octets: write_attributes(attributes, options).map(Cow::Owned),
            limit: options.limit(),
        }
    }

    /// Of a block: its octets as they are where this session may have them so.
    pub fn of(blocks: &'a Blocks, block: Block, options: &EncodeOptions) -> Self {
        let head = blocks.head(block);
        match blocks.octets(block) {
            Some(octets) if options.four_octet && !(options.ebgp && head.has(has::INTERNAL)) => Self {
                next_hop: head.next_hop,
                octets: Some(Cow::Borrowed(octets)),
                limit: options.limit(),
            },
            _ => Self::new(&blocks.attributes(block), options),
        }
    }

    /// Append one message with the first of these prefixes, as many as fit and are of one IP version; how many they are (0 only for none).
    pub fn message(&self, prefixes: &[Prefix], out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let Some(first) = prefixes.first() else {
            return Ok(0);
        };
        if (first.version == 4) != self.next_hop.is_ipv4() {
            return Err(EncodeError::NextHopVersion(*first));
        }
        let too_long = EncodeError::TooLong(*first);
        let Some(octets) = &self.octets else {
            return Err(too_long);
        };
        // Header, the two lengths, the attributes; MP_REACH_NLRI: flags, type, length, family, next hop with its length, reserved.
        let around = HEADER_LENGTH + 4 + octets.len() + if self.next_hop.is_ipv4() { 0 } else { 4 + 3 + 17 + 1 };
        let room = match self.limit.checked_sub(around) {
            Some(room) if room >= nlri::size(first) => room,
            _ => return Err(too_long),
        };
        let start = begin(out, message_type::UPDATE);
        out.extend_from_slice(&[0, 0]);
        let written = match self.next_hop {
            IpAddr::V4(_) => {
                out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
                out.extend_from_slice(octets);
                nlri::write_some(prefixes, room, out)
            }
            IpAddr::V6(next_hop) => {
                let at = out.len();
                // It comes first, so that it is found whatever befalls the others (RFC 7606 section 5.1).
                out.extend_from_slice(&[0, 0, OPTIONAL | EXTENDED_LENGTH, kind::MP_REACH, 0, 0, 0, 2, 1, 16]);
                out.extend_from_slice(&next_hop.octets());
                out.push(0);
                let written = nlri::write_some(prefixes, room, out);
                put_length(out, at + 4);
                out.extend_from_slice(octets);
                put_length(out, at);
                written
            }
        };
        finish(out, start);
        Ok(written)
    }
}

/// Write at `at` how many octets follow this length of two octets.
fn put_length(out: &mut [u8], at: usize) {
    let length = (out.len() - at - 2) as u16; // within one message
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// Whole messages that announce these prefixes, all of the next hop's IP version; nothing on an error.
pub fn encode_update_runs(attributes: &Attributes, prefixes: &[Prefix], options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    let block = AttributeBlock::new(attributes, options);
    let mut out = Vec::new();
    let mut rest = prefixes;
    while !rest.is_empty() {
        let written = block.message(rest, &mut out)?;
        rest = &rest[written..];
    }
    Ok(out)
}

/// Whole messages that withdraw these prefixes: IPv4 in Withdrawn Routes, IPv6 in MP_UNREACH_NLRI, each in the order given.
pub fn encode_withdrawals(prefixes: &[Prefix], options: &EncodeOptions) -> Vec<u8> {
    let mut out = Vec::new();
    for version in [4, 6] {
        let of_version: Vec<Prefix> = prefixes.iter().filter(|p| p.version == version).copied().collect();
        let mut rest = &of_version[..];
        while !rest.is_empty() {
            let written = write_withdrawals(rest, options, &mut out);
            rest = &rest[written..];
        }
    }
    out
}

/// Append one message that withdraws the first of these prefixes, as many of the first's IP version as fit; how many they are.
pub fn write_withdrawals(prefixes: &[Prefix], options: &EncodeOptions, out: &mut Vec<u8>) -> usize {
    let Some(first) = prefixes.first() else {
        return 0;
    };
    let start = begin(out, message_type::UPDATE);
    let at = out.len();
    let written = if first.version == 4 {
        out.extend_from_slice(&[0, 0]);
        let written = nlri::write_some(prefixes, options.limit() - HEADER_LENGTH - 4, out);
        put_length(out, at);
        out.extend_from_slice(&[0, 0]);
        written
    } else {
        out.extend_from_slice(&[0, 0, 0, 0, OPTIONAL | EXTENDED_LENGTH, kind::MP_UNREACH, 0, 0, 0, 2, 1]);
        let written = nlri::write_some(prefixes, options.limit() - HEADER_LENGTH - 11, out);
        put_length(out, at + 6);
        put_length(out, at + 2);
        written
    };
    finish(out, start);
    written
}

/// End-of-RIB of this family (RFC 4724 section 2).
pub fn encode_end_of_rib(afi: u16, safi: u8) -> Vec<u8> {
    if (afi, safi) == (1, 1) {
        return message(message_type::UPDATE, &[0, 0, 0, 0]);
    }
    let [high, low] = afi.to_be_bytes();
    message(message_type::UPDATE, &[0, 0, 0, 6, OPTIONAL, kind::MP_UNREACH, 3, high, low, safi])
}

/// All attributes but MP_REACH_NLRI, by type code; None where one is over 65535 octets.
fn write_attributes(attributes: &Attributes, options: &EncodeOptions) -> Option<Vec<u8>> {
    let both = OPTIONAL | TRANSITIVE;
    let four = options.four_octet;
    let mut out = Vec::with_capacity(64);
    let mut unknown = &attributes.unknown[..];
    put_unknown(&mut out, &mut unknown, kind::ORIGIN)?;
    put(&mut out, WELL_KNOWN, kind::ORIGIN, &[attributes.origin as u8])?;
    put(&mut out, WELL_KNOWN, kind::AS_PATH, &as_path::write(&attributes.as_path, four))?;
    if let IpAddr::V4(next_hop) = attributes.next_hop {
        put(&mut out, WELL_KNOWN, kind::NEXT_HOP, &next_hop.octets())?;
    }
    if let Some(med) = attributes.med {
        put(&mut out, OPTIONAL, kind::MED, &med.to_be_bytes())?;
    }
    if let Some(preference) = attributes.local_preference.filter(|_| !options.ebgp) {
        put(&mut out, WELL_KNOWN, kind::LOCAL_PREF, &preference.to_be_bytes())?;
    }
    if attributes.atomic_aggregate {
        put(&mut out, WELL_KNOWN, kind::ATOMIC_AGGREGATE, &[])?;
    }
    if let Some((asn, address)) = attributes.aggregator {
        let value = match four {
            true => [&asn.to_be_bytes()[..], &address.octets()].concat(),
            false => [&as_path::two_octets(asn).to_be_bytes()[..], &address.octets()].concat(),
        };
        put(&mut out, both, kind::AGGREGATOR, &value)?;
    }
    if !attributes.communities.is_empty() {
        let value: Vec<u8> = attributes.communities.iter().flat_map(|c| c.to_be_bytes()).collect();
        put(&mut out, both, kind::COMMUNITIES, &value)?;
    }
    if !options.ebgp {
        if let Some(id) = attributes.originator_id {
            put(&mut out, OPTIONAL, kind::ORIGINATOR_ID, &id.octets())?;
        }
        if !attributes.cluster_list.is_empty() {
            let value: Vec<u8> = attributes.cluster_list.iter().flat_map(|id| id.octets()).collect();
            put(&mut out, OPTIONAL, kind::CLUSTER_LIST, &value)?;
        }
    }
    put_unknown(&mut out, &mut unknown, kind::EXTENDED_COMMUNITIES)?;
    if !attributes.extended_communities.is_empty() {
        let value: Vec<u8> = attributes.extended_communities.iter().flat_map(|c| c.to_be_bytes()).collect();
        put(&mut out, both, kind::EXTENDED_COMMUNITIES, &value)?;
    }
    if !four {
        write_as4(attributes, &mut out)?;
    }
    put_unknown(&mut out, &mut unknown, kind::LARGE_COMMUNITIES)?;
    if !attributes.large_communities.is_empty() {
        let parts = attributes.large_communities.iter().flatten();
        let value: Vec<u8> = parts.flat_map(|part| part.to_be_bytes()).collect();
        put(&mut out, both, kind::LARGE_COMMUNITIES, &value)?;
    }
    put_unknown(&mut out, &mut unknown, kind::ONLY_TO_CUSTOMER)?;
    if let Some(asn) = attributes.only_to_customer {
        put(&mut out, both, kind::ONLY_TO_CUSTOMER, &asn.to_be_bytes())?;
    }
    put_unknown(&mut out, &mut unknown, u8::MAX)?;
    Some(out)
}

/// All attributes but MP_REACH_NLRI, by type code, as `read_block` reads them; None for what it would not read: an attribute of more than 65535
/// octets, AS number 0.
pub(crate) fn write_block(attributes: &Attributes) -> Option<Vec<u8>> {
    let is_zero = attributes.as_path.iter().any(|s| s.asns().contains(&0)) || attributes.aggregator.is_some_and(|(asn, _)| asn == 0);
    let options = EncodeOptions {
        four_octet: true,
        max_message: MAX_EXTENDED_MESSAGE,
        ebgp: false,
    };
    if is_zero { None } else { write_attributes(attributes, &options) }
}

/// What a 2-octet speaker can't say stands beside (RFC 6793 section 4.2.2).
fn write_as4(attributes: &Attributes, out: &mut Vec<u8>) -> Option<()> {
    let both = OPTIONAL | TRANSITIVE;
    if as_path::needs_as4(&attributes.as_path) {
        put(out, both, kind::AS4_PATH, &as_path::write(&attributes.as_path, true))?;
    }
    match attributes.aggregator {
        Some((asn, address)) if asn > u32::from(u16::MAX) => {
            put(out, both, kind::AS4_AGGREGATOR, &[asn.to_be_bytes(), address.octets()].concat())
        }
        _ => Some(()),
    }
}

/// Append those that we don't know, up to this type code; they are sorted by it.
fn put_unknown(out: &mut Vec<u8>, unknown: &mut &[(u8, u8, Vec<u8>)], up_to: u8) -> Option<()> {
    let count = unknown.partition_point(|(_, kind, _)| *kind <= up_to);
    let (some, rest) = unknown.split_at(count);
    *unknown = rest;
    some.iter()
        .try_for_each(|(flags, kind, value)| put(out, flags & !EXTENDED_LENGTH, *kind, value))
}

/// Append one attribute; None where its value is over 65535 octets.
fn put(out: &mut Vec<u8>, flags: u8, kind: u8, value: &[u8]) -> Option<()> {
    if let Ok(length) = u8::try_from(value.len()) {
        out.extend_from_slice(&[flags, kind, length]);
    } else {
        let [high, low] = u16::try_from(value.len()).ok()?.to_be_bytes();
        out.extend_from_slice(&[flags | EXTENDED_LENGTH, kind, high, low]);
    }
    out.extend_from_slice(value);
    Some(())
}
