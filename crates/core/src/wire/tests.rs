//! UPDATE, read and written.

use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::update::write_withdrawals;
use super::*;
use crate::attributes::{AsPath, Attributes, Origin, Segment, parse_as_path};
use crate::prefix::Prefix;

const EBGP: ParseOptions = ParseOptions::ALL;
const IBGP: ParseOptions = ParseOptions {
    ebgp: false,
    ..ParseOptions::ALL
};
const WRITE: EncodeOptions = EncodeOptions {
    four_octet: true,
    max_message: 4096,
    ebgp: true,
};

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xFD, 0xE9];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 1];
const NLRI: &[u8] = &[8, 10];

/// A body of withdrawn routes, attributes and NLRI.
fn body(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    [
        &(withdrawn.len() as u16).to_be_bytes()[..],
        withdrawn,
        &(attributes.len() as u16).to_be_bytes(),
        &attributes,
        nlri,
    ]
    .concat()
}

/// ORIGIN, AS_PATH, NEXT_HOP, then these; announces 10.0.0.0/8.
fn with(extra: &[&[u8]]) -> Vec<u8> {
    body(&[], &[&[ORIGIN, AS_PATH, NEXT_HOP], extra].concat(), NLRI)
}

fn withdraw_reason(body: &[u8], options: ParseOptions) -> Option<String> {
    let update = Update::parse(body, options).unwrap();
    assert_eq!(update.announced, [prefix("10.0.0.0/8")]);
    update.treat_as_withdraw
}

fn reset(body: &[u8], options: ParseOptions) -> (u8, u8) {
    let error = Update::parse(body, options).unwrap_err();
    (error.code, error.subcode)
}

#[test]
fn an_update_is_read() {
    let bytes = body(
        &[16, 192, 168],
        &[
            ORIGIN,
            &[0x40, 2, 10, 2, 2, 0, 0, 0xFD, 0xE9, 0xFA, 0x56, 0xEA, 0x00],
            NEXT_HOP,
            &[0x80, 4, 4, 0, 0, 0, 50],
            &[0xC0, 8, 8, 0xFD, 0xE9, 0, 100, 0xFF, 0xFF, 0xFF, 0x01],
            &[0xC0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
        ],
        &[0, 8, 10, 20, 172, 16, 0xFF, 32, 1, 2, 3, 4],
    );
    let update = Update::parse(&bytes, EBGP).unwrap();
    assert_eq!(update.withdrawn, [prefix("192.168.0.0/16")]);
    let expected = ["0.0.0.0/0", "10.0.0.0/8", "172.16.240.0/20", "1.2.3.4/32"].map(prefix);
    assert_eq!(update.announced, expected);
    let attributes = update.attributes.unwrap();
    assert_eq!(attributes.as_path.text(), "65001 4200000000");
    assert_eq!(attributes.next_hop, IpAddr::from([10, 0, 0, 1]));
    assert_eq!((attributes.origin, attributes.med), (Origin::Igp, Some(50)));
    assert_eq!(attributes.communities, [0xFDE9_0064, 0xFFFF_FF01]);
    assert_eq!(attributes.large_communities, [[1, 2, 3]]);
    assert_eq!((update.treat_as_withdraw, update.discarded, update.more), (None, vec![], None));
}

#[test]
fn an_update_is_written() {
    let attributes = Attributes {
        as_path: parse_as_path("65001").unwrap(),
        med: Some(7),
        local_preference: Some(100),
        communities: vec![0xFDE9_0064],
        ..Attributes::new([10, 0, 0, 1].into())
    };
    let bytes = encode_update_runs(&attributes, &[prefix("10.0.0.0/8"), prefix("0.0.0.0/0")], &WRITE).unwrap();
    let expected = [
        &[0, 60, 2, 0, 0, 0, 34][..],
        ORIGIN,
        AS_PATH,
        NEXT_HOP,
        &[0x80, 4, 4, 0, 0, 0, 7, 0xC0, 8, 4, 0xFD, 0xE9, 0, 100],
        &[8, 10, 0],
    ];
    assert_eq!(bytes[16..], expected.concat());
}

#[test]
fn ipv6_is_announced_in_mp_reach_first() {
    let attributes = Attributes::new("fd00::1".parse().unwrap());
    let bytes = encode_update_runs(&attributes, &[prefix("2001:db8::/32")], &WRITE).unwrap();
    let expected = [
        &[0, 60, 2, 0, 0, 0, 37, 0x90, 14, 0, 26, 0, 2, 1, 16][..],
        &[0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 0x01, 0x0D, 0xB8],
        &[0x40, 1, 1, 0, 0x40, 2, 0][..],
    ];
    assert_eq!(bytes[16..], expected.concat());
    let update = Update::parse(&bytes[19..], EBGP).unwrap();
    assert_eq!(
        (update.announced, update.attributes),
        (vec![prefix("2001:db8::/32")], Some(attributes))
    );
}

#[test]
fn withdrawals_are_written() {
    let bytes = encode_withdrawals(&[prefix("2001:db8::/32"), prefix("10.0.0.0/8")], &WRITE);
    let v4 = [0, 25, 2, 0, 2, 8, 10, 0, 0];
    let v6 = [0, 35, 2, 0, 0, 0, 12, 0x90, 15, 0, 8, 0, 2, 1, 32, 0x20, 0x01, 0x0D, 0xB8];
    assert_eq!(bytes[16..25], v4);
    assert_eq!(bytes[41..], v6);
    assert_eq!(write_withdrawals(&[], &WRITE, &mut Vec::new()), 0);
}

#[test]
fn end_of_rib_is_written_and_read() {
    for (family, length) in [((1, 1), 23), ((2, 1), 29), ((25, 70), 29)] {
        let bytes = encode_end_of_rib(family.0, family.1);
        assert_eq!(bytes.len(), length);
        let update = Update::parse(&bytes[19..], EBGP).unwrap();
        assert_eq!(update.end_of_rib, Some(family));
        assert!(update.withdrawn.is_empty() && update.announced.is_empty() && update.attributes.is_none());
    }
    let update = Update::parse(&[0, 2, 8, 10, 0, 0], EBGP).unwrap();
    assert_eq!(update.end_of_rib, None);
}

#[test]
fn both_families_in_one_message_become_two() {
    let reach = [
        &[0x80, 14, 23, 0, 2, 1, 16][..],
        &[0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0xFC],
    ]
    .concat();
    let message = message(2, &with(&[&reach]));
    let updates: Vec<Update> = Updates::new(&message, EBGP).map(Result::unwrap).collect();
    assert_eq!(updates.len(), 2);
    assert_eq!(updates[0].announced, [prefix("10.0.0.0/8")]);
    assert_eq!(updates[0].attributes.as_ref().unwrap().next_hop, IpAddr::from([10, 0, 0, 1]));
    assert_eq!(updates[1].announced, [prefix("fc00::/8")]);
    assert_eq!(
        updates[1].attributes.as_ref().unwrap().next_hop,
        "fd00::1".parse::<IpAddr>().unwrap()
    );
}

#[test]
fn a_link_local_next_hop_beside_the_global_one_is_left_out() {
    let mut reach = vec![0x80, 14, 39, 0, 2, 1, 32];
    reach.extend("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    reach.extend("fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    reach.extend([0, 8, 0xFC]);
    let update = Update::parse(&body(&[], &[&reach, ORIGIN, AS_PATH], &[]), EBGP).unwrap();
    assert_eq!(update.attributes.unwrap().next_hop, "fd00::1".parse::<IpAddr>().unwrap());
}

#[test]
fn unknown_families_are_ignored() {
    let reach = [0x80, 14, 8, 0, 1, 128, 1, 9, 0, 99, 99];
    let unreach = [0x80, 15, 5, 0, 25, 65, 1, 2];
    let update = Update::parse(&body(&[], &[&reach, &unreach, ORIGIN, AS_PATH], &[]), EBGP).unwrap();
    assert_eq!(update, Update::default());
}

/// RFC 4271 section 5: "SHOULD order path attributes within the UPDATE message in ascending order of attribute type".
#[test]
fn attributes_are_written_by_type_code_those_we_do_not_know_too() {
    let attributes = Attributes {
        extended_communities: vec![1],
        large_communities: vec![[1, 2, 3]],
        only_to_customer: Some(9),
        unknown: [0, 11, 25, 33, 40, 255].map(|kind| (0xE0, kind, vec![7])).to_vec(),
        ..Attributes::new(Ipv4Addr::new(10, 0, 0, 1).into())
    };
    let options = EncodeOptions {
        four_octet: true,
        max_message: 4096,
        ebgp: true,
    };
    let octets = encode_update_runs(&attributes, &["10.0.0.0/8".parse().unwrap()], &options).unwrap();
    let (mut kinds, mut rest) = (Vec::new(), &octets[23..octets.len() - 2]);
    while let [_, kind, length, after @ ..] = rest {
        kinds.push(*kind);
        rest = &after[usize::from(*length)..];
    }
    assert_eq!(kinds, [0, 1, 2, 3, 11, 16, 25, 32, 33, 35, 40, 255]);
}

#[test]
fn unknown_optional_transitive_attributes_are_passed_on_as_partial() {
    let update = Update::parse(&with(&[&[0xD0, 99, 0, 2, 1, 2], &[0x80, 98, 1, 7]]), EBGP).unwrap();
    let attributes = update.attributes.unwrap();
    assert_eq!(attributes.unknown, [(0xE0, 99, vec![1, 2])]);
    let bytes = encode_update_runs(&attributes, &update.announced, &WRITE).unwrap();
    assert!(bytes.windows(5).any(|w| w == [0xE0, 99, 2, 1, 2]));
}

/// RFC 7606: attribute, defect, verdict. What is announced beside each is 10.0.0.0/8.
#[test]
fn defects_are_treated_as_withdraw() {
    let long = [0u8; 3];
    let table: Vec<(Vec<u8>, &str)> = vec![
        (body(&[], &[&[0x40, 1, 1, 3], AS_PATH, NEXT_HOP], NLRI), "ORIGIN: undefined value 3"),
        (
            body(&[], &[&[0x40, 1, 2, 0, 0], AS_PATH, NEXT_HOP], NLRI),
            "ORIGIN: length 2 instead of 1",
        ),
        (
            body(&[], &[&[0xC0, 1, 1, 0], AS_PATH, NEXT_HOP], NLRI),
            "ORIGIN: flags 0xc0 instead of 0x40",
        ),
        (
            body(&[], &[ORIGIN, &[0x40, 2, 1, 2], NEXT_HOP], NLRI),
            "AS_PATH: a segment ends after its type",
        ),
        (
            body(&[], &[ORIGIN, &[0x40, 2, 2, 2, 0], NEXT_HOP], NLRI),
            "AS_PATH: an empty segment",
        ),
        (
            body(&[], &[ORIGIN, &[0x40, 2, 6, 3, 1, 0, 0, 0, 1], NEXT_HOP], NLRI),
            "AS_PATH: segment type 3",
        ),
        (
            body(&[], &[ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 0], NEXT_HOP], NLRI),
            "AS_PATH: AS number 0",
        ),
        (
            body(&[], &[ORIGIN, AS_PATH, &[0x40, 3, 3, 1, 1, 1]], NLRI),
            "NEXT_HOP: length 3 instead of 4",
        ),
        (
            body(&[], &[ORIGIN, AS_PATH, &[0x40, 3, 4, 224, 0, 0, 5]], NLRI),
            "NEXT_HOP: 224.0.0.5 is no host's address",
        ),
        (body(&[], &[AS_PATH, NEXT_HOP], NLRI), "ORIGIN: missing"),
        (body(&[], &[ORIGIN, NEXT_HOP], NLRI), "AS_PATH: missing"),
        (body(&[], &[ORIGIN, AS_PATH], NLRI), "NEXT_HOP: missing"),
        (body(&[], &[], NLRI), "ORIGIN: missing"),
        (with(&[&[0x80, 4, 3], &long]), "MULTI_EXIT_DISC: length 3 instead of 4"),
        (with(&[&[0x40, 4, 4, 0, 0, 0, 0]]), "MULTI_EXIT_DISC: flags 0x40 instead of 0x80"),
        (with(&[&[0xC0, 8, 0]]), "COMMUNITIES: length 0 is no multiple of 4 above 0"),
        (with(&[&[0xC0, 8, 3], &long]), "COMMUNITIES: length 3 is no multiple of 4 above 0"),
        (
            with(&[&[0xC0, 16, 3], &long]),
            "EXTENDED COMMUNITIES: length 3 is no multiple of 8 above 0",
        ),
        (
            with(&[&[0xC0, 32, 3], &long]),
            "LARGE_COMMUNITY: length 3 is no multiple of 12 above 0",
        ),
        (with(&[&[0xC0]]), "attribute list: the last one goes beyond its end"),
        (with(&[&[0xC0, 99, 2, 0]]), "attribute list: the last one goes beyond its end"),
    ];
    for (bytes, reason) in table {
        assert_eq!(withdraw_reason(&bytes, EBGP).as_deref(), Some(reason));
    }
    for (attribute, reason) in [
        (&[0x40, 5, 1, 0][..], "LOCAL_PREF: length 1 instead of 4"),
        (&[0x80, 9, 1, 0], "ORIGINATOR_ID: length 1 instead of 4"),
        (&[0x80, 10, 1, 0], "CLUSTER_LIST: length 1 is no multiple of 4 above 0"),
    ] {
        assert_eq!(withdraw_reason(&with(&[attribute]), IBGP).as_deref(), Some(reason));
    }
}

#[test]
fn defects_are_discarded() {
    for (attribute, reason) in [
        (&[0x40, 6, 1, 0][..], "ATOMIC_AGGREGATE: length 1 instead of 0"),
        (&[0xC0, 7, 6, 0, 1, 1, 1, 1, 1], "AGGREGATOR: length 6 instead of 8"),
        (&[0xC0, 7, 8, 0, 0, 0, 0, 1, 1, 1, 1], "AGGREGATOR: AS number 0"),
        (&[0xC0, 17, 1, 0], "AS4_PATH: from a speaker of four-octet AS numbers"),
        (&[0xC0, 18, 1, 0], "AS4_AGGREGATOR: from a speaker of four-octet AS numbers"),
        (&[0x40, 1, 1, 2], "ORIGIN: more than once"),
        (&[0x40, 5, 4, 0, 0, 0, 9], "LOCAL_PREF: from an external peer"),
        (&[0x80, 9, 1, 0], "ORIGINATOR_ID: from an external peer"),
        (&[0x80, 10, 0], "CLUSTER_LIST: from an external peer"),
    ] {
        let update = Update::parse(&with(&[attribute]), EBGP).unwrap();
        assert_eq!((update.treat_as_withdraw, update.discarded), (None, vec![reason.to_string()]));
        let plain = Update::parse(&with(&[]), EBGP).unwrap();
        assert_eq!(update.attributes, plain.attributes);
    }
    let old = ParseOptions { four_octet: false, ..EBGP };
    let path = [0x40, 2, 4, 2, 1, 0, 1];
    for (attribute, reason) in [
        (&[0xC0, 17, 1, 0][..], "AS4_PATH: a segment ends after its type"),
        (&[0xC0, 18, 1, 0], "AS4_AGGREGATOR: length 1 instead of 8"),
    ] {
        let update = Update::parse(&body(&[], &[ORIGIN, &path, NEXT_HOP, attribute], NLRI), old).unwrap();
        assert_eq!((update.treat_as_withdraw, update.discarded), (None, vec![reason.to_string()]));
    }
}

#[test]
fn defects_reset_the_session() {
    let reach: &[u8] = &[0x80, 14, 11, 0, 1, 1, 4, 10, 0, 0, 1, 0, 8, 11];
    let table: Vec<(Vec<u8>, u8)> = vec![
        (vec![], 1),
        (vec![0], 1),
        (vec![0, 5, 0, 0], 1),
        (vec![0, 0, 0, 1], 1),
        (body(&[33, 1, 1, 1, 1, 1], &[], &[]), 10),
        (body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[33, 1, 1, 1, 1, 1]), 10),
        (body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[16, 1]), 10),
        (with(&[&[0x40, 99, 0]]), 2),
        (with(&[reach, reach]), 1),
        (with(&[&[0x80, 14, 2, 0, 1]]), 9),
        (with(&[&[0x80, 14, 9, 0, 2, 1, 4, 10, 0, 0, 1, 0]]), 9),
        (with(&[&[0x80, 14, 11, 0, 1, 1, 4, 10, 0, 0, 1, 0, 16, 11]]), 9),
        (with(&[&[0x40, 14, 11, 0, 1, 1, 4, 10, 0, 0, 1, 0, 16, 11]]), 9),
        (with(&[&[0x80, 14, 90, 0, 1, 1]]), 9),
        (with(&[&[0x80, 15, 2, 0, 1]]), 9),
        (with(&[&[0x80, 15, 5, 0, 2, 1, 129, 0]]), 9),
        // Treat-as-withdraw without prefixes (RFC 7606 section 5.2).
        (body(&[], &[&[0x40, 1, 1, 3], AS_PATH, NEXT_HOP], &[]), 1),
        (body(&[8, 10], &[&[0x80, 4, 1, 3]], &[]), 1),
    ];
    for (bytes, subcode) in table {
        assert_eq!(reset(&bytes, EBGP), (3, subcode), "{bytes:?}");
    }
}

#[test]
fn next_hop_is_ignored_where_only_mp_reach_announces() {
    let reach: &[u8] = &[0x80, 14, 11, 0, 1, 1, 4, 10, 0, 0, 9, 0, 8, 10];
    let update = Update::parse(&body(&[], &[reach, ORIGIN, AS_PATH, &[0x40, 3, 1, 0]], &[]), EBGP).unwrap();
    assert_eq!((update.treat_as_withdraw, update.announced), (None, vec![prefix("10.0.0.0/8")]));
    assert_eq!(update.attributes.unwrap().next_hop, IpAddr::from([10, 0, 0, 9]));
}

#[test]
fn a_two_octet_speaker_is_understood() {
    let options = ParseOptions { four_octet: false, ..EBGP };
    let bytes = body(
        &[],
        &[
            ORIGIN,
            &[0x40, 2, 8, 2, 3, 0xFD, 0xE9, 0x5B, 0xA0, 0, 7],
            NEXT_HOP,
            &[0xC0, 7, 6, 0x5B, 0xA0, 1, 1, 1, 1],
            &[0xC0, 17, 10, 2, 2, 0xFA, 0x56, 0xEA, 0, 0, 0, 0, 7],
            &[0xC0, 18, 8, 0xFA, 0x56, 0xEA, 0, 2, 2, 2, 2],
        ],
        NLRI,
    );
    let attributes = Update::parse(&bytes, options).unwrap().attributes.unwrap();
    assert_eq!(attributes.as_path.text(), "65001 4200000000 7");
    assert_eq!(attributes.aggregator, Some((4_200_000_000, Ipv4Addr::new(2, 2, 2, 2))));
    // An aggregator that is not AS_TRANS makes both outdated.
    let stale = bytes.iter().copied().enumerate();
    let at = bytes.windows(3).position(|w| w == [0xC0, 7, 6]).unwrap() + 4;
    let stale: Vec<u8> = stale.map(|(i, octet)| if i == at { 9 } else { octet }).collect();
    let attributes = Update::parse(&stale, options).unwrap().attributes.unwrap();
    assert_eq!(attributes.as_path.text(), "65001 23456 7");
}

#[test]
fn attributes_that_leave_no_room_are_reported() {
    let mut attributes = Attributes {
        communities: (0..1010).collect(),
        ..Attributes::new([10, 0, 0, 1].into())
    };
    let prefixes = [prefix("10.0.0.0/8"), prefix("10.1.0.0/16")];
    // 19 + 4 + (4 + 3 + 7 + 4 + 4040) octets leave 15.
    assert_eq!(encode_update_runs(&attributes, &prefixes, &WRITE).unwrap().len(), 4081 + 5);
    attributes.communities = (0..1013).collect();
    assert_eq!(encode_update_runs(&attributes, &prefixes, &WRITE).unwrap().len(), 2 * 4093 + 5);
    attributes.communities = (0..1014).collect();
    assert_eq!(
        encode_update_runs(&attributes, &prefixes, &WRITE),
        Err(EncodeError::TooLong(prefixes[0]))
    );
    attributes.communities = (0..20_000).collect();
    let extended = EncodeOptions {
        max_message: 65535,
        ..WRITE
    };
    assert_eq!(
        encode_update_runs(&attributes, &prefixes, &extended),
        Err(EncodeError::TooLong(prefixes[0]))
    );
    let v6 = [prefix("fd00::/8")];
    attributes.communities.clear();
    assert_eq!(
        encode_update_runs(&attributes, &v6, &WRITE),
        Err(EncodeError::NextHopVersion(v6[0]))
    );
}

#[test]
fn the_verdicts_are_those_of_rfc_7606() {
    use super::verdict::{TABLE, Verdict};
    let letter = |v| match v {
        Verdict::Discard => 'D',
        Verdict::TreatAsWithdraw => 'W',
        Verdict::Reset => 'R',
    };
    let line = |row: &super::verdict::Row| {
        let verdicts = [row.on_flags, row.on_length, row.on_value, row.on_repeated, row.on_missing];
        format!("{} {}", row.kind, verdicts.map(letter).iter().collect::<String>())
    };
    let lines: Vec<String> = TABLE.iter().map(line).collect();
    let expected = [
        "1 WWWDW", "2 WWWDW", "3 WWWDW", "4 WWWDD", "5 WWWDD", "6 WDDDD", "7 WDDDD", "8 WWWDD", "9 WWWDD", "10 WWWDD", "14 WRRRD",
        "15 WRRRD", "16 WWWDD", "17 WDDDD", "18 WDDDD", "25 WWWDD", "26 DDDDD", "32 WWWDD", "35 WWWDD",
    ];
    assert_eq!(lines, expected);
}

fn any_prefix(version: u8) -> impl Strategy<Value = Prefix> {
    let longest = crate::prefix::width(version);
    (any::<u128>(), 0..=longest).prop_map(move |(bits, length)| {
        let bits = if version == 4 { bits & 0xFFFF_FFFF } else { bits };
        Prefix::new(version, bits, length)
    })
}

fn any_asn() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..=65535, 1u32..]
}

fn any_path() -> impl Strategy<Value = Vec<Segment>> {
    let sequence = vec(any_asn(), 1..300).prop_map(Segment::Sequence);
    let set = vec(any_asn(), 1..20).prop_map(Segment::Set);
    vec(prop_oneof![sequence, set], 0..4)
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let next_hop = prop_oneof![
        (1u8..=223, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d])),
        (0u128..1 << 112).prop_map(|low| IpAddr::from((0xFD00 << 112 | low).to_be_bytes())),
    ];
    let basic = (
        0u8..3,
        any_path(),
        next_hop,
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        any::<bool>(),
    );
    let aggregator = option::of((any_asn(), any::<u32>().prop_map(Ipv4Addr::from)));
    let communities = (vec(any::<u32>(), 0..80), vec(any::<u64>(), 0..5), vec(any::<[u32; 3]>(), 0..5));
    let reflection = (
        option::of(any::<u32>().prop_map(Ipv4Addr::from)),
        vec(any::<u32>().prop_map(Ipv4Addr::from), 0..4),
    );
    let unknown = proptest::collection::btree_map(40u8.., vec(any::<u8>(), 0..300), 0..3);
    (basic, aggregator, communities, reflection, unknown).prop_map(|(basic, aggregator, communities, reflection, unknown)| {
        let mut attributes = Attributes {
            origin: Origin::from_octet(basic.0).unwrap(),
            as_path: basic.1,
            next_hop: basic.2,
            med: basic.3,
            local_preference: basic.4,
            atomic_aggregate: basic.5,
            aggregator,
            communities: communities.0,
            extended_communities: communities.1,
            large_communities: communities.2,
            originator_id: reflection.0,
            cluster_list: reflection.1,
            only_to_customer: basic.3.filter(|n| n.is_multiple_of(2)),
            unknown: unknown.into_iter().map(|(kind, value)| (0xE0, kind, value)).collect(),
        };
        attributes.normalize();
        attributes
    })
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(
        attributes in any_attributes(),
        v4 in vec(any_prefix(4), 1..2000),
        v6 in vec(any_prefix(6), 1..500),
        four_octet: bool,
        ebgp: bool,
        extended: bool,
    ) {
        let max_message = if extended { 65535 } else { 4096 };
        let options = EncodeOptions { four_octet, max_message, ebgp };
        let prefixes = if attributes.next_hop.is_ipv4() { v4 } else { v6 };
        let Ok(bytes) = encode_update_runs(&attributes, &prefixes, &options) else {
            prop_assert!(!extended);
            return Ok(());
        };
        let mut expected = attributes.clone();
        if ebgp {
            expected.local_preference = None;
            expected.originator_id = None;
            expected.cluster_list.clear();
        }
        let mut announced = Vec::new();
        for update in Updates::new(&bytes, ParseOptions { four_octet, ebgp, ..EBGP }) {
            let update = update.unwrap();
            prop_assert_eq!(&update.treat_as_withdraw, &None);
            prop_assert_eq!(&update.discarded, &Vec::<String>::new());
            prop_assert_eq!(update.attributes.as_ref(), Some(&expected));
            announced.extend(update.announced);
        }
        prop_assert_eq!(announced, prefixes);
        let (messages, error) = {
            let mut framer = Framer::new();
            if extended { framer.extend(); }
            framer.feed(&bytes)
        };
        prop_assert_eq!(error, None);
        prop_assert_eq!(messages, vec![Message::Updates(bytes)]);
    }

    #[test]
    fn withdrawals_are_read_as_written(v4 in vec(any_prefix(4), 0..3000), v6 in vec(any_prefix(6), 0..600)) {
        let prefixes = [v4, v6].concat();
        let bytes = encode_withdrawals(&prefixes, &WRITE);
        let updates: Vec<Update> = Updates::new(&bytes, EBGP).map(Result::unwrap).collect();
        let withdrawn: Vec<Prefix> = updates.into_iter().flat_map(|u| u.withdrawn).collect();
        prop_assert_eq!(withdrawn, prefixes);
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..300), four_octet: bool, ebgp: bool) {
        let options = ParseOptions { four_octet, ebgp, ..EBGP };
        let _ = Update::parse(&bytes, options);
        let _ = Update::parse(&[&[0, 0], &(bytes.len() as u16).to_be_bytes()[..], &bytes].concat(), options);
        let _: Vec<_> = Updates::new(&bytes, options).collect();
        let _ = Framer::new().feed(&bytes);
    }

    /// A good message with some octets changed or cut off; what it then announces can be written again.
    #[test]
    fn damage_never_panics(
        attributes in any_attributes(),
        prefixes in vec(any_prefix(4), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        four_octet: bool,
    ) {
        let attributes = Attributes { next_hop: [10, 0, 0, 1].into(), ..attributes };
        let options = EncodeOptions { four_octet, max_message: 65535, ebgp: false };
        let mut body = encode_update_runs(&attributes, &prefixes, &options).unwrap().split_off(19);
        for (at, octet) in damage {
            let at = at.index(body.len());
            body[at] = octet;
        }
        for bytes in [&body[..], &body[..cut.index(body.len())]] {
            let parsed = Update::parse(bytes, ParseOptions { four_octet, ..IBGP });
            if let Ok(Update { announced, attributes: Some(attributes), .. }) = parsed {
                let _ = encode_update_runs(&attributes, &announced, &options);
            }
        }
    }
}
