//! Reading what a speaker sends, without mercy: what it must not send is a panic. Written from the RFCs, without the core's reader.

use std::collections::{BTreeMap, BTreeSet};

/// What the session lets the speaker send.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Four-octet AS numbers (RFC 6793).
    pub four: bool,
    /// To an external peer.
    pub external: bool,
    /// IPv6 unicast was agreed on, beside IPv4.
    pub ipv6: bool,
    /// Longest message.
    pub longest: usize,
    /// The AS number that every path must begin with.
    pub first: Option<u32>,
    /// AS_SETs were let in.
    pub sets: bool,
}

/// IP version, address in octets as on the wire with cleared bits beyond the length, length.
pub type Name = (u8, Vec<u8>, u8);

/// What a peer holds after all that it was told: attributes by type code.
pub type Table = BTreeMap<Name, BTreeMap<u8, Vec<u8>>>;

/// Read messages into the table.
pub fn read(mut data: &[u8], told: &Told, table: &mut Table) {
    while !data.is_empty() {
        assert!(data.len() >= 19 && data[..16] == [0xFF; 16], "a header that is none: {data:x?}");
        let length = usize::from(u16::from_be_bytes([data[16], data[17]]));
        assert!((19..=told.longest).contains(&length) && length <= data.len(), "length {length}");
        match data[18] {
            2 => update(&data[19..length], told, table),
            5 => assert!(
                length == 23 && matches!(data[21], 1 | 2),
                "a refresh that nobody asked for: {data:x?}"
            ),
            kind => panic!("message of type {kind}"),
        }
        data = &data[length..];
    }
}

fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = data
        .split_at_checked(count)
        .unwrap_or_else(|| panic!("{count} octets, but there are {data:x?}"));
    *data = rest;
    taken
}

fn u16_of(octets: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([octets[0], octets[1]]))
}

/// RFC 4271 section 4.3.
fn update(mut body: &[u8], told: &Told, table: &mut Table) {
    let whole = body;
    let count = u16_of(take(&mut body, 2));
    let mut gone = prefixes(take(&mut body, count), 4);
    let count = u16_of(take(&mut body, 2));
    let mut attributes = list(take(&mut body, count), told);
    let classic = prefixes(body, 4);
    let mut reached = classic.clone();
    let only_unreach = attributes.len() == 1 && attributes.contains_key(&15);
    let mut is_end = whole == [0, 0, 0, 0];
    if let Some(value) = attributes.remove(&15) {
        assert!(
            told.ipv6 && value.len() >= 3 && value[..3] == [0, 2, 1],
            "MP_UNREACH_NLRI {value:x?}"
        );
        let more = prefixes(&value[3..], 6);
        is_end |= more.is_empty() && only_unreach && gone.is_empty() && classic.is_empty();
        assert!(is_end || !more.is_empty(), "an empty MP_UNREACH_NLRI among other things");
        gone.extend(more);
    }
    if let Some(value) = attributes.get_mut(&14) {
        assert!(
            told.ipv6 && value.len() > 5 && value[..3] == [0, 2, 1] && matches!(value[3], 16 | 32),
            "MP_REACH_NLRI {value:x?}"
        );
        let end = 4 + usize::from(value[3]);
        assert!(value[4] != 0xFF && value[4..20] != [0; 16], "next hop {:x?}", &value[4..20]);
        assert_eq!(value[end], 0, "Reserved is not 0");
        let more = prefixes(&value[end + 1..], 6);
        assert!(!more.is_empty(), "MP_REACH_NLRI without prefixes");
        reached.extend(more);
        value.truncate(end);
    }
    assert!(is_end || !gone.is_empty() || !reached.is_empty(), "an UPDATE that says nothing");
    let names: BTreeSet<&Name> = gone.iter().chain(&reached).collect();
    assert_eq!(names.len(), gone.len() + reached.len(), "a prefix stands twice in one message");
    if reached.is_empty() {
        assert!(attributes.is_empty(), "attributes {:?} without prefixes", attributes.keys());
    } else {
        mandatory(&attributes, !classic.is_empty(), told);
    }
    gone.iter().for_each(|name| {
        assert!(table.remove(name).is_some(), "{name:?} is withdrawn, but was not announced");
    });
    table.extend(reached.into_iter().map(|name| (name, attributes.clone())));
}

/// RFC 4271 sections 5 and 5.1.5.
fn mandatory(attributes: &BTreeMap<u8, Vec<u8>>, classic: bool, told: &Told) {
    let path = attributes.get(&2).expect("AS_PATH is missing");
    assert!(attributes.contains_key(&1), "ORIGIN is missing");
    assert_eq!(
        attributes.contains_key(&3),
        classic,
        "NEXT_HOP where it is not for IPv4, or not where it is"
    );
    assert!(told.external || attributes.contains_key(&5), "LOCAL_PREF is missing");
    let asns = path_of(path, told.four, told.sets);
    if let Some(first) = told.first {
        let first = if told.four {
            first
        } else {
            u32::from(u16::try_from(first).unwrap_or(23456))
        };
        assert_eq!(asns.first(), Some(&first), "the path begins with another AS");
    }
    if let Some(value) = attributes.get(&17) {
        assert!(asns.contains(&23456), "AS4_PATH without AS_TRANS");
        assert!(
            path_of(value, true, told.sets).len() <= asns.len(),
            "AS4_PATH is longer than AS_PATH"
        );
    }
}

/// Attributes by type code: RFC 4271 section 4.3, RFC 7606 sections 3, 5 and 7.
fn list(mut data: &[u8], told: &Told) -> BTreeMap<u8, Vec<u8>> {
    let (mut all, mut last) = (BTreeMap::new(), None);
    while !data.is_empty() {
        let [flags, kind] = *take(&mut data, 2) else { unreachable!() };
        let length = if flags & 0x10 != 0 {
            u16_of(take(&mut data, 2))
        } else {
            usize::from(take(&mut data, 1)[0])
        };
        let value = take(&mut data, length);
        assert_eq!(flags & 0x0F, 0, "attribute {kind}: unused flags");
        // MP_REACH_NLRI stands first (RFC 7606 section 5.1); the others by type code (RFC 4271 section 5).
        assert!(Some(kind) > last || last == Some(14), "attribute {kind} after {last:?}");
        assert!(kind != 14 || last.is_none(), "MP_REACH_NLRI is not the first");
        last = Some(kind);
        one(flags, kind, value, told);
        assert!(all.insert(kind, value.to_vec()).is_none(), "attribute {kind} twice");
    }
    all
}

fn one(flags: u8, kind: u8, value: &[u8], told: &Told) {
    let (wanted, least, unit) = match kind {
        1 => (0x40, 1, 1),
        2 => (0x40, 0, 0),
        3 => (0x40, 4, 4),
        4 => (0x80, 4, 4),
        5 => (0x40, 4, 4),
        6 => (0x40, 0, 0),
        7 => (0xC0, 6, 0),
        8 => (0xC0, 4, 4),
        9 => (0x80, 4, 4),
        10 => (0x80, 4, 4),
        14 | 15 => (0x80, 3, 0),
        16 => (0xC0, 8, 8),
        17 | 18 => (0xC0, 6, 0),
        25 => (0xC0, 20, 20),
        32 => (0xC0, 12, 12),
        35 => (0xC0, 4, 4),
        _ => (0xE0, 0, 0),
    };
    let shown = if matches!(kind, 1..=10 | 14..=18 | 25 | 32 | 35) {
        flags & 0xC0
    } else {
        flags & 0xE0
    };
    assert_eq!(shown, wanted, "flags {flags:#04x} of attribute {kind}");
    assert!(
        value.len() >= least && (unit == 0 || value.len().is_multiple_of(unit)),
        "attribute {kind} of {} octets",
        value.len()
    );
    assert!(
        !matches!(kind, 1 | 3 | 4 | 5 | 9 | 35) || value.len() == least,
        "attribute {kind} of {} octets",
        value.len()
    );
    assert!(
        !matches!(kind, 5 | 9 | 10) || !told.external,
        "attribute {kind} to an external peer"
    );
    assert!(
        !matches!(kind, 17 | 18) || !told.four,
        "attribute {kind} to a speaker of four octets"
    );
    match kind {
        1 => assert!(value[0] <= 2, "ORIGIN {}", value[0]),
        2 => drop(path_of(value, told.four, told.sets)),
        17 => drop(path_of(value, true, told.sets)),
        3 => assert!((1..224).contains(&value[0]), "next hop {value:?}"),
        6 => assert!(value.is_empty()),
        7 | 18 => {
            assert_eq!(value.len(), if told.four || kind == 18 { 8 } else { 6 }, "attribute {kind}");
            assert!(value[..value.len() - 4].iter().any(|octet| *octet != 0), "AGGREGATOR of AS 0");
        }
        26 => panic!("AIGP, which nobody agreed on (RFC 7311 section 3.1)"),
        _ => {}
    }
}

/// The AS numbers of a path (RFC 4271 section 4.3 b, RFC 5065 section 5, RFC 7607, RFC 9774).
fn path_of(mut value: &[u8], four: bool, sets: bool) -> Vec<u32> {
    let mut asns = Vec::new();
    while !value.is_empty() {
        let [kind, count] = *take(&mut value, 2) else { unreachable!() };
        assert!(kind == 2 || (kind == 1 && sets), "segment of type {kind}");
        assert!(count > 0, "an empty segment");
        let size = if four { 4 } else { 2 };
        let octets = take(&mut value, usize::from(count) * size);
        let asn = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet));
        asns.extend(octets.chunks(size).map(asn));
    }
    assert!(!asns.contains(&0), "AS 0 in a path");
    asns
}

/// RFC 4271 section 4.3: what is sent has no bits beyond the length.
fn prefixes(mut data: &[u8], version: u8) -> Vec<Name> {
    let mut all = Vec::new();
    while !data.is_empty() {
        let length = take(&mut data, 1)[0];
        assert!(length <= if version == 4 { 32 } else { 128 }, "prefix length {length}");
        let octets = take(&mut data, usize::from(length.div_ceil(8)));
        if let (Some(last), host @ 1..) = (octets.last(), (8 - length % 8) % 8) {
            assert_eq!(last & ((1 << host) - 1), 0, "bits beyond a prefix of length {length}: {octets:x?}");
        }
        all.push((version, octets.to_vec(), length));
    }
    all
}
