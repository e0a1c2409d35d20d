//! Reading UPDATE (RFC 4271 sections 4.3 and 6.3, RFC 4760, RFC 6793, RFC 7606). Begin at `Update::parse`; `encode` writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::notification::{NotificationError, code};
use super::reader::Reader;
use super::verdict::{Defect, EXTENDED_LENGTH, OPTIONAL, PARTIAL, Row, TRANSITIVE, Verdict, kind, row_of};
use super::{HEADER_LENGTH, as_path, framing, message_type, nlri};
use crate::attributes::{Attributes, Origin, Segment};
use crate::prefix::Prefix;

pub use super::encode::{
    AttributeBlock, EncodeError, EncodeOptions, encode_end_of_rib, encode_update_runs, encode_withdrawals, write_withdrawals,
};

/// How a session reads UPDATEs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseOptions {
    /// Both ends gave the four-octet AS capability (RFC 6793).
    pub four_octet: bool,
    /// The peer is external: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are left out (RFC 7606 sections 7.5, 7.9, 7.10).
    pub ebgp: bool,
    /// Families that were agreed on; prefixes of others are ignored (RFC 4760 section 8).
    pub families: Families,
    /// Routes with an AS_SET in their path are as if withdrawn (RFC 9774 section 3).
    pub rejects_sets: bool,
}

impl ParseOptions {
    /// All that may be read, of an external peer of four-octet AS numbers.
    pub const ALL: Self = Self {
        four_octet: true,
        ebgp: true,
        families: Families { ipv4: true, ipv6: true },
        rejects_sets: false,
    };
}

/// Which of the families that we know were agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Families {
    /// IPv4 unicast.
    pub ipv4: bool,
    /// IPv6 unicast.
    pub ipv6: bool,
}

impl Families {
    /// The IP version of a family that was agreed on.
    fn version_of(self, afi: u16, safi: u8) -> Option<u8> {
        nlri::version_of(afi, safi).filter(|version| if *version == 4 { self.ipv4 } else { self.ipv6 })
    }
}

/// What an UPDATE says. First the withdrawals hold, then the announcements (RFC 4271 section 4.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Update {
    /// Withdrawn prefixes of either version.
    pub withdrawn: Vec<Prefix>,
    /// Announced prefixes, all of one version.
    pub announced: Vec<Prefix>,
    /// Attributes of the announced ones; None where there are none. Under `treat_as_withdraw` as much as could be read.
    pub attributes: Option<Attributes>,
    /// RFC 7606: the attribute and its defect; `announced` are then to be withdrawn and kept as invalid.
    pub treat_as_withdraw: Option<String>,
    /// Attributes that were left out, and why ("attribute discard").
    pub discarded: Vec<String>,
    /// End-of-RIB of this (AFI, SAFI) (RFC 4724 section 2).
    pub end_of_rib: Option<(u16, u8)>,
    /// A message may announce both IPv4 prefixes and, with another next hop, IPv6 ones: these come second.
    /// `Updates` hands them out as an `Update` of their own.
    pub more: Option<Box<Update>>,
}

impl Update {
    /// Judge and read an UPDATE's body; an error resets the session.
    pub fn parse(body: &[u8], options: ParseOptions) -> Result<Self, NotificationError> {
        let short = |what| NotificationError::new(code::UPDATE, code::MALFORMED_LIST, [], format!("{what} go beyond the message"));
        let network = |reason| NotificationError::new(code::UPDATE, code::INVALID_NETWORK, [], reason);
        let mut reader = Reader::new(body);
        let length = reader.u16().map(usize::from);
        let withdrawn = length.and_then(|n| reader.take(n)).ok_or_else(|| short("Withdrawn Routes"))?;
        let length = reader.u16().map(usize::from);
        let attributes = length.and_then(|n| reader.take(n)).ok_or_else(|| short("Path Attributes"))?;

        let mut update = Update::default();
        nlri::read(withdrawn, 4, &mut update.withdrawn).map_err(network)?;
        let mut announced = Vec::new();
        nlri::read(reader.rest(), 4, &mut announced).map_err(network)?;
        let reaches = !announced.is_empty();
        if !options.families.ipv4 {
            update.withdrawn.clear();
            announced.clear();
        }
        if body == [0, 0, 0, 0] {
            update.end_of_rib = Some((1, 1));
        }
        if !attributes.is_empty() {
            let mut list = List::new(options);
            list.read(attributes, &mut update.withdrawn)?;
            list.reaches |= reaches;
            list.finish(announced, &mut update)?;
        } else if !announced.is_empty() {
            List::new(options).finish(announced, &mut update)?;
        }
        Ok(update)
    }
}

/// Attributes from octets that `write_block` wrote, or that are such.
pub(crate) fn read_block(octets: &[u8], next_hop: IpAddr) -> Attributes {
    let mut list = List::new(ParseOptions {
        ebgp: false,
        ..ParseOptions::ALL
    });
    let read = list.read(octets, &mut Vec::new());
    debug_assert!(read.is_ok() && list.withdraw.is_none() && list.discarded.is_empty(), "{octets:?}");
    let mut attributes = list.attributes;
    attributes.next_hop = next_hop;
    attributes.normalize();
    attributes
}

/// The UPDATEs in a run of whole messages with headers, as `Framer` gives them; ends with the first error.
pub struct Updates<'a> {
    rest: &'a [u8],
    options: ParseOptions,
    more: Option<Box<Update>>,
}

impl<'a> Updates<'a> {
    /// Of this run.
    pub fn new(messages: &'a [u8], options: ParseOptions) -> Self {
        Self {
            rest: messages,
            options,
            more: None,
        }
    }

    fn parse_next(&mut self) -> Result<Update, NotificationError> {
        let cut_off = || NotificationError::new(code::HEADER, code::BAD_LENGTH, [], "a message is not whole");
        let (kind, length) = framing::header(self.rest, true)?.ok_or_else(cut_off)?;
        let (message, rest) = self.rest.split_at_checked(length).ok_or_else(cut_off)?;
        if kind != message_type::UPDATE {
            let reason = format!("message of type {kind} among UPDATEs");
            return Err(NotificationError::new(code::HEADER, code::BAD_TYPE, [kind], reason));
        }
        self.rest = rest;
        let mut update = Update::parse(&message[HEADER_LENGTH..], self.options)?;
        self.more = update.more.take();
        Ok(update)
    }
}

impl Iterator for Updates<'_> {
    type Item = Result<Update, NotificationError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(more) = self.more.take() {
            return Some(Ok(*more));
        }
        if self.rest.is_empty() {
            return None;
        }
        let item = self.parse_next();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

/// One attribute as it stands in the message.
struct Raw<'a> {
    flags: u8,
    kind: u8,
    value: &'a [u8],
    /// With flags, type and length: the data of a NOTIFICATION (RFC 4271 section 6.3).
    whole: &'a [u8],
}

/// What a value's reader found wrong.
type Wrong = (Defect, String);

/// The attributes of one message, as far as they are read.
struct List {
    options: ParseOptions,
    seen: [u64; 4],
    attributes: Attributes,
    next_hop: Option<Ipv4Addr>,
    as4_path: Option<Vec<Segment>>,
    as4_aggregator: Option<(u32, Ipv4Addr)>,
    reach: Option<(IpAddr, Vec<Prefix>)>,
    /// Whether MP_REACH_NLRI holds prefixes, of whatever family.
    reaches: bool,
    unreached: Option<(u16, u8)>,
    unreached_any: bool,
    /// Whether there are attributes besides MP_UNREACH_NLRI.
    others: bool,
    withdraw: Option<String>,
    /// A defect of NEXT_HOP, which counts only where it is used (RFC 4760 section 3).
    next_hop_defect: Option<String>,
    discarded: Vec<String>,
}

impl List {
    fn new(options: ParseOptions) -> Self {
        Self {
            options,
            seen: [0; 4],
            attributes: Attributes {
                origin: Origin::Incomplete,
                ..Attributes::new(Ipv4Addr::UNSPECIFIED.into())
            },
            next_hop: None,
            as4_path: None,
            as4_aggregator: None,
            reach: None,
            reaches: false,
            unreached: None,
            unreached_any: false,
            others: false,
            withdraw: None,
            next_hop_defect: None,
            discarded: Vec::new(),
        }
    }

    fn read(&mut self, attributes: &[u8], withdrawn: &mut Vec<Prefix>) -> Result<(), NotificationError> {
        let mut reader = Reader::new(attributes);
        while !reader.is_empty() {
            let Some(raw) = next_attribute(&mut reader)? else {
                self.others = true;
                // The length of the whole list still finds the prefixes after it (RFC 7606 section 4).
                self.treat_as_withdraw("attribute list: the last one goes beyond its end".into());
                return Ok(());
            };
            self.others |= raw.kind != kind::MP_UNREACH;
            match row_of(raw.kind) {
                Some(row) => self.known(row, &raw, withdrawn)?,
                None => self.unknown(&raw)?,
            }
        }
        Ok(())
    }

    fn known(&mut self, row: &Row, raw: &Raw<'_>, withdrawn: &mut Vec<Prefix>) -> Result<(), NotificationError> {
        let result = if !self.mark(raw.kind) {
            Err((Defect::Repeated, "more than once".into()))
        } else if row.internal_only && self.options.ebgp {
            Err((Defect::External, "from an external peer".into()))
        } else if matches!(raw.kind, kind::AS4_PATH | kind::AS4_AGGREGATOR) && self.options.four_octet {
            // A speaker of four octets must not send these two; they are left out, however they look (RFC 6793 section 4.1).
            Err((Defect::External, "from a speaker of four-octet AS numbers".into()))
        } else if raw.flags & (OPTIONAL | TRANSITIVE) != row.flags {
            // The prefixes must still be known for them to be withdrawn (RFC 7606 section 3 j).
            if matches!(raw.kind, kind::MP_REACH | kind::MP_UNREACH)
                && let Err(wrong) = self.value(raw, withdrawn)
            {
                self.judge(row, wrong, raw)?;
            }
            Err((
                Defect::Flags,
                format!("flags {:#04x} instead of {:#04x}", raw.flags & 0xC0, row.flags),
            ))
        } else {
            self.value(raw, withdrawn)
        };
        match result {
            Ok(()) => Ok(()),
            Err(wrong) => self.judge(row, wrong, raw),
        }
    }

    fn judge(&mut self, row: &Row, (defect, reason): Wrong, raw: &Raw<'_>) -> Result<(), NotificationError> {
        let reason = format!("{}: {reason}", row.name);
        match row.verdict(defect) {
            Verdict::Discard => self.discarded.push(reason),
            Verdict::TreatAsWithdraw if row.kind == kind::NEXT_HOP => self.next_hop_defect = Some(reason),
            Verdict::TreatAsWithdraw => self.treat_as_withdraw(reason),
            Verdict::Reset => {
                let (subcode, data) = match defect {
                    Defect::Repeated => (code::MALFORMED_LIST, &[][..]),
                    _ => (code::OPTIONAL_ATTRIBUTE, raw.whole),
                };
                return Err(NotificationError::new(code::UPDATE, subcode, data, reason));
            }
        }
        Ok(())
    }

    fn unknown(&mut self, raw: &Raw<'_>) -> Result<(), NotificationError> {
        let first = self.mark(raw.kind);
        if raw.flags & OPTIONAL == 0 {
            let reason = format!("unknown well-known attribute {}", raw.kind);
            return Err(NotificationError::new(code::UPDATE, code::UNKNOWN_WELL_KNOWN, raw.whole, reason));
        }
        if first && raw.flags & TRANSITIVE != 0 {
            let flags = OPTIONAL | TRANSITIVE | PARTIAL;
            self.attributes.unknown.push((flags, raw.kind, raw.value.to_vec()));
        }
        Ok(())
    }

    /// RFC 9774 section 3.
    fn refuse_sets(&mut self, name: &str, path: &[Segment]) {
        let is_set = |segment: &&Segment| matches!(segment, Segment::Set(_));
        if let (true, Some(set)) = (self.options.rejects_sets, path.iter().find(is_set)) {
            self.treat_as_withdraw(format!("{name}: AS_SET {set}"));
        }
    }

    /// Note that this type is there; whether for the first time.
    fn mark(&mut self, kind: u8) -> bool {
        let (word, bit) = (usize::from(kind >> 6), 1u64 << (kind & 63));
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        first
    }

    fn has(&self, kind: u8) -> bool {
        self.seen[usize::from(kind >> 6)] & (1u64 << (kind & 63)) != 0
    }

    fn treat_as_withdraw(&mut self, reason: String) {
        self.withdraw.get_or_insert(reason);
    }

    fn value(&mut self, raw: &Raw<'_>, withdrawn: &mut Vec<Prefix>) -> Result<(), Wrong> {
        let value = raw.value;
        let attributes = &mut self.attributes;
        match raw.kind {
            kind::ORIGIN => {
                let [octet] = fixed(value)?;
                attributes.origin = Origin::from_octet(octet).ok_or_else(|| (Defect::Value, format!("undefined value {octet}")))?;
            }
            kind::AS_PATH => {
                attributes.as_path = as_path::read(value, self.options.four_octet).map_err(content)?;
                let path = attributes.as_path.clone();
                self.refuse_sets("AS_PATH", &path);
            }
            kind::NEXT_HOP => {
                let next_hop = Ipv4Addr::from(fixed::<4>(value)?);
                self.next_hop = Some(next_hop);
                if !may_be_host(next_hop.into()) {
                    return Err((Defect::Value, format!("{next_hop} is no host's address")));
                }
            }
            kind::MED => attributes.med = Some(u32::from_be_bytes(fixed(value)?)),
            kind::LOCAL_PREF => attributes.local_preference = Some(u32::from_be_bytes(fixed(value)?)),
            kind::ATOMIC_AGGREGATE => {
                fixed::<0>(value)?;
                attributes.atomic_aggregate = true;
            }
            kind::AGGREGATOR => attributes.aggregator = Some(aggregator(value, self.options.four_octet)?),
            kind::COMMUNITIES => attributes.communities = list(value, u32::from_be_bytes)?,
            kind::EXTENDED_COMMUNITIES => attributes.extended_communities = list(value, u64::from_be_bytes)?,
            kind::LARGE_COMMUNITIES => attributes.large_communities = list(value, large_community)?,
            kind::ONLY_TO_CUSTOMER => attributes.only_to_customer = Some(u32::from_be_bytes(fixed(value)?)),
            kind::IPV6_EXTENDED_COMMUNITIES => {
                list(value, |octets: [u8; 20]| octets)?;
                attributes
                    .unknown
                    .push((OPTIONAL | TRANSITIVE | raw.flags & PARTIAL, raw.kind, value.to_vec()));
            }
            kind::ORIGINATOR_ID => attributes.originator_id = Some(fixed::<4>(value)?.into()),
            kind::CLUSTER_LIST => attributes.cluster_list = list(value, Ipv4Addr::from)?,
            kind::MP_REACH => self.reach(value)?,
            kind::MP_UNREACH => self.unreach(value, withdrawn)?,
            kind::AS4_PATH => {
                let path = as_path::read_as4(value).map_err(content)?;
                self.refuse_sets("AS4_PATH", &path);
                self.as4_path = Some(path);
            }
            kind::AS4_AGGREGATOR => self.as4_aggregator = Some(aggregator(value, true)?),
            _ => {}
        }
        Ok(())
    }

    /// MP_REACH_NLRI (RFC 4760 section 3, RFC 2545 section 3, RFC 7606 section 7.11).
    fn reach(&mut self, value: &[u8]) -> Result<(), Wrong> {
        let short = || (Defect::Length, "shorter than its fields".to_string());
        let mut reader = Reader::new(value);
        let (afi, safi) = reader.u16().zip(reader.u8()).ok_or_else(short)?;
        let length = reader.u8().ok_or_else(short)?;
        let next_hop = reader.take(usize::from(length)).ok_or_else(short)?;
        let _reserved = reader.u8().ok_or_else(short)?;
        self.reaches = !reader.is_empty();
        let Some(version) = self.options.families.version_of(afi, safi) else {
            return Ok(());
        };
        let next_hop = match (version, next_hop) {
            (4, octets) if octets.len() == 4 => IpAddr::V4(Ipv4Addr::from(fixed::<4>(octets)?)),
            // The second address of 32 octets is link-local, for neighbors on one link (RFC 2545 section 3).
            (6, octets) if matches!(octets.len(), 16 | 32) => IpAddr::V6(Ipv6Addr::from(fixed::<16>(&octets[..16])?)),
            _ => return Err((Defect::Length, format!("next hop of {length} octets for IPv{version}"))),
        };
        let mut prefixes = Vec::new();
        nlri::read(reader.rest(), version, &mut prefixes).map_err(content)?;
        if !prefixes.is_empty() && !may_be_host(next_hop) {
            self.treat_as_withdraw(format!("MP_REACH_NLRI: next hop {next_hop} is no host's address"));
        }
        self.reach = Some((next_hop, prefixes));
        Ok(())
    }

    /// MP_UNREACH_NLRI (RFC 4760 section 4).
    fn unreach(&mut self, value: &[u8], withdrawn: &mut Vec<Prefix>) -> Result<(), Wrong> {
        let mut reader = Reader::new(value);
        let family = reader.u16().zip(reader.u8());
        let (afi, safi) = family.ok_or_else(|| (Defect::Length, "shorter than its fields".to_string()))?;
        self.unreached = Some((afi, safi));
        self.unreached_any = !reader.is_empty();
        match self.options.families.version_of(afi, safi) {
            Some(version) => nlri::read(reader.rest(), version, withdrawn).map_err(content),
            None => Ok(()),
        }
    }

    /// Judge the message as a whole, and lay what it says into `update`.
    fn finish(mut self, announced: Vec<Prefix>, update: &mut Update) -> Result<(), NotificationError> {
        let reach = self.reach.take().filter(|(_, prefixes)| !prefixes.is_empty());
        let reachable = !announced.is_empty() || self.reaches;
        if !announced.is_empty() || !reachable {
            let defect = self.next_hop_defect.take();
            self.withdraw = self.withdraw.take().or(defect);
        }
        if !reachable {
            if let Some(reason) = self.withdraw.take() {
                if self.others {
                    // Without prefixes it is not certain that the message was understood (RFC 7606 section 5.2).
                    let reason = format!("{reason}; and no prefixes");
                    return Err(NotificationError::new(code::UPDATE, code::MALFORMED_LIST, [], reason));
                }
                self.discarded.push(reason);
            }
            if !self.others && !self.unreached_any && update.withdrawn.is_empty() {
                update.end_of_rib = self.unreached;
            }
            update.discarded = self.discarded;
            return Ok(());
        }
        for (kind, needed) in [(kind::ORIGIN, true), (kind::AS_PATH, true), (kind::NEXT_HOP, !announced.is_empty())] {
            if needed && !self.has(kind) {
                let name = row_of(kind).map_or("", |row| row.name);
                self.treat_as_withdraw(format!("{name}: missing"));
            }
        }
        self.merge_as4();
        let mut attributes = self.attributes;
        attributes.normalize();
        update.discarded = self.discarded;
        let of_reach = reach.map(|(next_hop, prefixes)| {
            let attributes = Attributes {
                next_hop,
                ..attributes.clone()
            };
            (attributes, prefixes)
        });
        if announced.is_empty() {
            if let Some((attributes, prefixes)) = of_reach {
                update.announced = prefixes;
                update.attributes = Some(attributes);
            }
            update.treat_as_withdraw = self.withdraw.filter(|_| update.attributes.is_some());
            return Ok(());
        }
        attributes.next_hop = self.next_hop.unwrap_or(Ipv4Addr::UNSPECIFIED).into();
        update.announced = announced;
        update.attributes = Some(attributes);
        update.more = of_reach.map(|(attributes, prefixes)| {
            Box::new(Update {
                announced: prefixes,
                attributes: Some(attributes),
                treat_as_withdraw: self.withdraw.clone(),
                ..Update::default()
            })
        });
        update.treat_as_withdraw = self.withdraw;
        Ok(())
    }

    /// RFC 6793 section 4.2.3.
    fn merge_as4(&mut self) {
        let trans = u32::from(super::open::AS_TRANS);
        match (self.attributes.aggregator, self.as4_aggregator) {
            // The aggregator is a speaker of two octets that passed on what it did not know: both are outdated.
            (Some((asn, _)), Some(_)) if asn != trans => return,
            (Some(_), Some(aggregator)) => self.attributes.aggregator = Some(aggregator),
            _ => {}
        }
        if let Some(as4_path) = self.as4_path.take() {
            let as_path = std::mem::take(&mut self.attributes.as_path);
            self.attributes.as_path = as_path::merge(as_path, as4_path);
        }
    }
}

/// The next attribute; None where the list ends within it. One with prefixes that ends so resets the session.
fn next_attribute<'a>(reader: &mut Reader<'a>) -> Result<Option<Raw<'a>>, NotificationError> {
    let all = reader.rest();
    let Some((flags, kind)) = reader.u8().zip(reader.u8()) else {
        return Ok(None);
    };
    let length = if flags & EXTENDED_LENGTH != 0 {
        reader.u16().map(usize::from)
    } else {
        reader.u8().map(usize::from)
    };
    let Some(value) = length.and_then(|n| reader.take(n)) else {
        if matches!(kind, kind::MP_REACH | kind::MP_UNREACH) {
            let reason = format!("attribute {kind} goes beyond the list");
            return Err(NotificationError::new(code::UPDATE, code::OPTIONAL_ATTRIBUTE, all, reason));
        }
        return Ok(None);
    };
    let whole = &all[..all.len() - reader.rest().len()];
    Ok(Some(Raw { flags, kind, value, whole }))
}

fn content(reason: String) -> Wrong {
    (Defect::Value, reason)
}

/// A value that has exactly N octets.
fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Wrong> {
    value
        .try_into()
        .map_err(|_| (Defect::Length, format!("length {} instead of {N}", value.len())))
}

/// A value of numbers of N octets each, one at least.
fn list<const N: usize, T>(value: &[u8], number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Wrong> {
    if value.is_empty() || !value.len().is_multiple_of(N) {
        return Err((Defect::Length, format!("length {} is no multiple of {N} above 0", value.len())));
    }
    Ok(as_path::numbers(value, number))
}

fn large_community(octets: [u8; 12]) -> [u32; 3] {
    let part = |at: usize| u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    [part(0), part(4), part(8)]
}

fn aggregator(value: &[u8], four_octet: bool) -> Result<(u32, Ipv4Addr), Wrong> {
    let (asn, address) = if four_octet {
        let [a, b, c, d, address @ ..] = fixed::<8>(value)?;
        (u32::from_be_bytes([a, b, c, d]), address)
    } else {
        let [a, b, address @ ..] = fixed::<6>(value)?;
        (u32::from(u16::from_be_bytes([a, b])), address)
    };
    if asn == 0 {
        return Err((Defect::Value, "AS number 0".into())); // RFC 7607 section 2
    }
    Ok((asn, address.into()))
}

/// Whether an address can be a next hop's (RFC 4271 section 6.3: "a valid IP host address").
pub(crate) fn may_be_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => (1..224).contains(&a.octets()[0]),
        IpAddr::V6(a) => !a.is_unspecified() && !a.is_multicast(),
    }
}
