//! A peer's configuration: read or refused with a word, and whatever it says, what goes out is right.

use std::net::{IpAddr, Ipv4Addr};

use dualhome_core::policy::Tags;
use dualhome_core::policy::parse::parse_config;
use dualhome_core::rib::Rib;
use dualhome_core::rib::decision::Decision;

use crate::{message, strict};

const ROUNDS: [&str; 12] = [
    "next-hop",
    "preference",
    "weight",
    "local-preference",
    "self",
    "as-path",
    "origin",
    "med",
    "ebgp",
    "|",
    "router-id",
    "peer",
];
/// An external peer that is told and tells without any policy.
const OTHER: &str = r#"{"name": "other", "asn": 65102, "ebgp": true, "local_address": "10.0.0.254", "peer_address": "10.0.0.2"}"#;

/// The octets are JSON, as `PeerPolicy.json` has it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut rib = Rib::new(
        65000,
        Ipv4Addr::new(1, 1, 1, 1),
        None,
        Decision::new(&ROUNDS, "ASPath", 8).expect("rounds"),
    );
    if let Err(error) = rib.set_peer(1, text) {
        return assert!(!error.to_string().is_empty());
    }
    let config = parse_config(text, &mut Tags::default()).expect("it was taken");
    let is_host = match config.local_address {
        IpAddr::V4(address) => (1..224).contains(&address.octets()[0]),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
    };
    if !is_host {
        return; // Nobody has a session at such an address; as a next hop it would be wrong.
    }
    rib.set_peer(1, text).expect("again, it is as fine as before");
    rib.set_peer(2, OTHER).expect("a plain peer");
    for (number, router_id) in [(1, [1, 0, 0, 1]), (2, [1, 0, 0, 2])] {
        rib.peer_up(number, true, &[(1, 1), (2, 1)], 4096, router_id.into())
            .expect("it is there");
    }
    for number in [1, 2] {
        for body in bodies(number) {
            let _ = rib.receive(number, &message(2, &body)).expect("it is up");
        }
    }
    rib.process();
    let told = strict::Told {
        four: true,
        external: true,
        ipv6: true,
        longest: 4096,
        first: None,
        sets: true,
    };
    let mut table = strict::Table::new();
    drain(&mut rib, 2, |data| strict::read(data, &told, &mut table));
    drain(&mut rib, 1, |_| ());
    for number in [1, 2] {
        for route in rib.received(number, None).expect("it is there") {
            rib.explain_import(number, route.prefix).expect("it is there");
            rib.explain_export(3 - number, route.prefix).expect("it is there");
        }
    }
    for number in [1, 2] {
        rib.remove_peer(number).expect("it is there");
        rib.process();
    }
}

fn drain(rib: &mut Rib, number: u32, mut read: impl FnMut(&[u8])) {
    loop {
        let data = rib.output(number, 4096).expect("it is there");
        if data.is_empty() {
            return;
        }
        read(&data);
    }
}

/// Routes that policies tell apart: paths, communities, both families.
fn bodies(number: u32) -> Vec<Vec<u8>> {
    let path = |more: &[u8]| {
        let asns: Vec<u8> = [&[0x4C + number as u8][..], more]
            .concat()
            .iter()
            .flat_map(|octet| [0, 0, 0xFE, *octet])
            .collect();
        [vec![0x40, 2, asns.len() as u8 + 2, 2, (asns.len() / 4) as u8], asns].concat()
    };
    let around = |attributes: Vec<u8>, nlri: &[u8]| [&[0, 0], &(attributes.len() as u16).to_be_bytes()[..], &attributes, nlri].concat();
    let origin = [0x40, 1, 1, 0];
    let hop = [0x40, 3, 4, 10, 0, 0, number as u8];
    let communities = [0xC0, 8, 8, 0xFE, 0x4C, 0, 100, 0xFF, 0xFF, 0xFF, 1];
    let large = [0xC0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let reach = [
        &[0x80, 14, 30, 0, 2, 1, 16, 0x20, 1, 0x0D, 0xB8][..],
        &[0; 11],
        &[number as u8, 0, 64, 0x20, 1, 0x0D, 0xB8, 0, 1, 0, number as u8],
    ]
    .concat();
    vec![
        around([&origin[..], &path(&[]), &hop].concat(), &[8, 10, 16, 10, 1, 24, 192, 0, 2]),
        around(
            [&origin[..], &path(&[9, 9]), &hop, &communities].concat(),
            &[16, 172, 16, 32, 1, 2, 3, 4],
        ),
        around(
            [&origin[..], &path(&[8]), &hop, &[0x80, 4, 4, 0, 0, 0, 5], &large].concat(),
            &[0, 12, 100, 96],
        ),
        around([&reach[..], &origin, &path(&[7])].concat(), &[]),
    ]
}
