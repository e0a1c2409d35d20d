//! What Python's tests can't reach easily: bytes of any kind, and a log that is too long. The rest is in `tests/bgp/test_rib.py`.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::Rib;
use super::decision::Decision;
use crate::attributes::{Attributes, sequence};
use crate::prefix::Prefix;
use crate::wire::{EncodeOptions, ParseOptions, Updates, encode_end_of_rib, encode_update_runs, encode_withdrawals};

const OPTIONS: EncodeOptions = EncodeOptions {
    four_octet: true,
    max_message: 4096,
    ebgp: true,
};

fn speaker(peers: u32) -> Rib {
    let decision = Decision::new(&["next-hop", "as-path", "|", "peer"], "ASPath", 8).unwrap();
    let mut rib = Rib::new(65000, Ipv4Addr::new(1, 1, 1, 1), None, decision);
    for n in 0..peers {
        let config = format!(
            r#"{{"name": "p{n}", "asn": {}, "ebgp": true, "local_address": "10.0.0.254", "peer_address": "10.0.0.{}"}}"#,
            65100 + n,
            n + 1
        );
        rib.set_peer(n, &config).unwrap();
        rib.peer_up(n, true, &[(1, 1)], 4096, Ipv4Addr::new(1, 0, 0, n as u8)).unwrap();
        while !rib.output(n, 65536).unwrap().is_empty() {}
    }
    rib
}

fn prefixes(range: std::ops::Range<u32>) -> Vec<Prefix> {
    range.map(|n| Prefix::new(4, u128::from((20 << 24) + (n << 4)), 28)).collect()
}

fn announce(peer: u32, asn: u32, prefixes: &[Prefix]) -> Vec<u8> {
    let attributes = Attributes {
        as_path: sequence(&[65100 + peer, asn]),
        ..Attributes::new(Ipv4Addr::new(10, 0, 0, 1).into())
    };
    encode_update_runs(&attributes, prefixes, &OPTIONS).unwrap()
}

fn feed(rib: &mut Rib, peer: u32, updates: &[u8]) {
    rib.receive(peer, updates).unwrap().unwrap();
    rib.process();
}

/// What it announces and withdraws, counted.
fn told(rib: &mut Rib, peer: u32, max_bytes: usize) -> (usize, usize) {
    let (mut announced, mut withdrawn) = (0, 0);
    loop {
        let data = rib.output(peer, max_bytes).unwrap();
        if data.is_empty() {
            return (announced, withdrawn);
        }
        for update in Updates::new(&data, ParseOptions::ALL) {
            let update = update.unwrap();
            announced += update.announced.len();
            withdrawn += update.withdrawn.len();
        }
    }
}

/// What others are told meanwhile, such as its own routes, does not hold it back.
#[test]
fn end_of_rib_is_sent_at_once_where_all_that_changed_since_is_for_others() {
    let mut rib = speaker(2);
    rib.peer_down(1, &[]).unwrap();
    rib.peer_up(1, true, &[(1, 1)], 4096, Ipv4Addr::new(1, 0, 0, 1)).unwrap();
    feed(&mut rib, 1, &announce(1, 1, &prefixes(0..10)));
    assert_eq!(rib.pending(), [0, 1]);
    assert_eq!(rib.output(1, 65536).unwrap(), encode_end_of_rib(1, 1));
    assert_eq!(rib.pending(), [0]);
}

#[test]
fn one_that_falls_out_of_the_log_is_told_the_difference_alone() {
    let mut rib = speaker(3);
    let all = prefixes(0..30_000);
    feed(&mut rib, 0, &announce(0, 1, &all));
    assert_eq!(told(&mut rib, 1, 65536), (30_000, 0));
    for asn in 2..8 {
        feed(&mut rib, 0, &announce(0, asn, &all));
        assert_eq!(told(&mut rib, 2, 1000).0, if asn == 2 { 60_000 } else { 30_000 });
    }
    // Peer 1 read nothing of six times 30,000 changes, more than the log holds; what ends as it began is not told.
    feed(&mut rib, 0, &announce(0, 1, &all[..29_000]));
    feed(&mut rib, 0, &encode_withdrawals(&all[29_900..], &OPTIONS));
    assert_eq!(told(&mut rib, 1, 1000), (900, 100));
    assert_eq!(told(&mut rib, 1, 1000), (0, 0));
}

#[test]
fn an_own_route_is_never_told_back_whoever_falls_behind() {
    let mut rib = speaker(3);
    for asn in 1..6 {
        feed(&mut rib, 0, &announce(0, asn, &prefixes(0..30_000)));
    }
    assert_eq!(told(&mut rib, 0, 65536), (0, 0));
    assert_eq!(told(&mut rib, 1, 65536), (30_000, 0));
    rib.peer_down(0, &[]).unwrap();
    rib.process();
    assert_eq!(told(&mut rib, 1, 65536), (0, 30_000));
    assert_eq!(
        told(&mut rib, 2, 65536),
        (0, 0),
        "told nothing so far, so there is nothing to withdraw"
    );
}

/// A route server's clients: what they are told is as it came, and the sender of the best route is told the second best.
fn transparent(clients: u32, extra: &str) -> Rib {
    let decision = Decision::new(&["next-hop", "as-path", "|", "peer"], "ASPath", 8).unwrap();
    let mut rib = Rib::new(65000, Ipv4Addr::new(1, 1, 1, 1), None, decision);
    for n in 0..clients {
        let config = format!(
            r#"{{"name": "p{n}", "asn": {}, "ebgp": true, "local_address": "10.0.0.254", "peer_address": "10.0.0.{}",
                "next_hop": "unchanged", "transparent": true{extra}}}"#,
            65100 + n,
            n + 1
        );
        rib.set_peer(n, &config).unwrap();
        rib.peer_up(n, true, &[(1, 1)], 4096, Ipv4Addr::new(1, 0, 0, n as u8)).unwrap();
        while !rib.output(n, 65536).unwrap().is_empty() {}
    }
    rib
}

/// The Adj-RIB-Out of a peer: path, MED and next hop of each.
fn paths(rib: &mut Rib, peer: u32) -> Vec<(String, Option<u32>, String)> {
    let rows = rib.advertised(peer, None).unwrap();
    rows.into_iter().map(|row| (row.as_path, row.med, row.next_hop)).collect()
}

fn path(text: &str, med: Option<u32>) -> (String, Option<u32>, String) {
    (text.to_string(), med, "10.0.0.1".to_string())
}

#[test]
fn a_transparent_client_sees_path_and_med_as_they_came() {
    let mut rib = transparent(2, "");
    let attributes = Attributes {
        as_path: sequence(&[65100, 7]),
        med: Some(9),
        ..Attributes::new(Ipv4Addr::new(10, 0, 0, 1).into())
    };
    feed(&mut rib, 0, &encode_update_runs(&attributes, &prefixes(0..1), &OPTIONS).unwrap());
    assert_eq!(paths(&mut rib, 1), [path("65100 7", Some(9))]);
    assert_eq!(paths(&mut rib, 0), []);
}

#[test]
fn the_sender_of_the_best_route_is_told_the_second_best() {
    let mut rib = transparent(3, r#", "own": "second""#);
    let one = prefixes(0..1);
    let short = |peer: u32| announce(peer, 7, &one);
    feed(&mut rib, 0, &short(0));
    assert_eq!(paths(&mut rib, 0), [], "there is no other");
    feed(&mut rib, 2, &short(2));
    assert_eq!(paths(&mut rib, 0), [path("65102 7", None)]);
    assert_eq!(paths(&mut rib, 2), [path("65100 7", None)]);
    feed(&mut rib, 1, &short(1)); // better than the second, not than the best
    assert_eq!(
        [0, 1, 2].map(|peer| paths(&mut rib, peer)[0].0.clone()),
        ["65101 7", "65100 7", "65100 7"]
    );
    assert_eq!([0, 1, 2].map(|peer| told(&mut rib, peer, 65536)), [(2, 0), (1, 0), (1, 0)]);
    feed(&mut rib, 0, &encode_withdrawals(&one, &OPTIONS));
    assert_eq!(
        [0, 1, 2].map(|peer| paths(&mut rib, peer)[0].0.clone()),
        ["65101 7", "65102 7", "65101 7"]
    );
    rib.peer_down(2, &[]).unwrap();
    rib.process();
    assert_eq!(paths(&mut rib, 1), []);
    assert_eq!(told(&mut rib, 1, 65536).1, 1);
}

#[test]
fn a_limit_that_does_not_end_the_session_drops_or_counts() {
    for (action, held) in [("drop", 3), ("warn", 5)] {
        let limit = format!(r#", "max_prefixes": {{"limit": 3, "count": "held", "action": "{action}"}}"#);
        let mut rib = transparent(2, &limit);
        feed(&mut rib, 0, &announce(0, 1, &prefixes(0..5)));
        feed(&mut rib, 0, &announce(0, 2, &prefixes(0..3)));
        let counts = rib.counts(0).unwrap();
        assert_eq!((counts.accepted, counts.over_limit), (held, 2), "{action}");
        assert_eq!(rib.counts(1).unwrap().advertised, held);
        feed(&mut rib, 0, &encode_withdrawals(&prefixes(0..1), &OPTIONS));
        feed(&mut rib, 0, &announce(0, 1, &prefixes(9..10)));
        assert_eq!(rib.counts(0).unwrap().accepted, held);
        rib.peer_down(0, &[]).unwrap();
        assert_eq!(rib.counts(0).unwrap().over_limit, 0);
    }
}

#[test]
fn refused_routes_are_counted_by_reason() {
    let mut rib = speaker(2);
    feed(&mut rib, 0, &announce(0, 1, &prefixes(0..4)));
    feed(&mut rib, 0, &announce(0, 65000, &prefixes(4..7)));
    let counts = rib.counts(0).unwrap();
    assert_eq!((counts.accepted, counts.advertised), (4, 0));
    assert_eq!(counts.rejected, [("as-loop".to_string(), 3)].into());
    assert_eq!(rib.counts(1).unwrap().advertised, 4);
    assert!(rib.counts(7).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..200) {
        let mut rib = speaker(2);
        let mut update = announce(0, 1, &prefixes(0..3));
        let place = at % (update.len() - 18) + 18;
        for (octet, new) in update[place..].iter_mut().zip(&data) {
            *octet = *new;
        }
        let _ = rib.receive(0, &update);
        rib.process();
        told(&mut rib, 1, 100);
        let _ = rib.receive(0, &data);
    }
}
