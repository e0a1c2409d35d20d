//! Four peers of one speaker, and whatever they say: nothing panics, what goes out is right, and each holds what the RIB says that it was told.
//!
//! A twin hears the same with lengths of two octets in every attribute, which `wire::fast` leaves to `Update::parse`: both must tell the same.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use dualhome_core::prefix::Prefix;
use dualhome_core::rib::Rib;
use dualhome_core::rib::decision::Decision;

use crate::message;
use crate::strict::{Name, Table, Told, read};

const ROUNDS: [&str; 12] = [
    "next-hop",
    "weight",
    "local-preference",
    "self",
    "as-path",
    "origin",
    "med",
    "ebgp",
    "|",
    "router-id",
    "cluster-list",
    "peer",
];
const LONGEST: usize = 65_535 - 19;

/// First octet: who the peers are; then what happens, one octet each with what it needs behind it.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut world = World::new(*how);
    let mut octets = Octets(rest);
    while let Some(op) = octets.one() {
        world.step(op, &mut octets);
    }
    world.settle();
    for number in 1..=4 {
        world.each(|rib| rib.rib.peer_down(number, &[]).expect("it is there"));
        world.each(|rib| rib.tables[number as usize].clear());
        world.up(number);
    }
    world.each(|rib| OWN.iter().for_each(|prefix| rib.rib.withdraw(own(*prefix))));
    world.settle();
    assert!(
        world.fast.tables.iter().all(Table::is_empty),
        "something is left: {:?}",
        world.fast.tables
    );
    assert_eq!(world.fast.rib.statistics()["paths"], 0);
}

struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn one(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A length of two octets, and as many as there are of it.
    fn some(&mut self) -> &'a [u8] {
        let length = usize::from(self.one().unwrap_or(0)) << 8 | usize::from(self.one().unwrap_or(0));
        let (some, rest) = self.0.split_at(length.min(self.0.len()).min(4077));
        self.0 = rest;
        some
    }
}

struct Side {
    rib: Rib,
    /// By peer; the first is nobody's.
    tables: [Table; 5],
}

struct World {
    how: u8,
    fast: Side,
    slow: Side,
}

impl World {
    fn new(how: u8) -> Self {
        let side = || Side {
            rib: Rib::new(
                65000,
                Ipv4Addr::new(1, 1, 1, 1),
                None,
                Decision::new(&ROUNDS, "ASPath", 8).expect("rounds"),
            ),
            tables: Default::default(),
        };
        let mut world = Self {
            how,
            fast: side(),
            slow: side(),
        };
        for number in 1..=4 {
            world.set(number, 0);
            world.up(number);
        }
        world
    }

    fn each(&mut self, mut work: impl FnMut(&mut Side)) {
        work(&mut self.fast);
        work(&mut self.slow);
    }

    fn is_external(&self, number: u32) -> bool {
        match number {
            1 => self.how & 2 == 0,
            4 => self.how & 32 == 0,
            _ => true,
        }
    }

    fn told(&self, number: u32) -> Told {
        Told {
            four: !(number == 1 && self.how & 1 != 0 || number == 4 && self.how & 16 != 0),
            external: self.is_external(number),
            ipv6: number != 1 || self.how & 4 == 0,
            longest: if number == 4 && self.how & 64 != 0 { 65_535 } else { 4096 },
            first: self.is_external(number).then_some(65000),
            sets: self.how & 8 == 0,
        }
    }

    /// Who a peer is; with `more`, by its bits, rules and limits.
    fn set(&mut self, number: u32, more: u8) {
        let external = self.is_external(number);
        let asn = if external { 65100 + number } else { 65000 };
        let bit = |n: u8| more & 1 << n != 0;
        let terms = [
            (
                bit(0),
                r#"{"name": "a", "match": {"as_path_contains": [9]}, "do": [{"prepend": [7, 70000]}], "then": "continue"}"#,
            ),
            (
                bit(1),
                r#"{"name": "b", "match": {"prefix_within": ["10.0.0.0/8"]}, "do": [{"local_preference": 200}], "then": "accept"}"#,
            ),
            (
                bit(2),
                r#"{"name": "c", "match": {"community_any": ["65100:1"]}, "do": [], "then": "reject"}"#,
            ),
        ];
        let terms: Vec<&str> = terms.iter().filter(|(is_there, _)| *is_there).map(|(_, term)| *term).collect();
        let limit = if bit(3) {
            r#"{"limit": 3, "count": "held", "action": "drop"}"#
        } else {
            "null"
        };
        let config = format!(
            r#"{{"name": "p{number}", "asn": {asn}, "ebgp": {external}, "local_address": "10.0.0.254", "peer_address": "10.0.0.{number}",
            "reject_as_sets": {}, "reflector_client": {}, "first_as": {}, "reject_martians": {}, "own": "{}", "max_prefixes": {limit},
            "import": [{}], "export": [[{}]]}}"#,
            self.how & 8 != 0,
            !external && number == 4,
            bit(4) && external,
            bit(5),
            if bit(6) { "second" } else { "none" },
            if bit(7) { String::new() } else { terms.join(",") },
            if bit(7) { terms.join(",") } else { String::new() },
        );
        self.each(|side| side.rib.set_peer(number, &config).expect("a right configuration"));
    }

    fn up(&mut self, number: u32) {
        let told = self.told(number);
        let families: &[(u16, u8)] = if told.ipv6 { &[(1, 1), (2, 1)] } else { &[(1, 1)] };
        let router_id = Ipv4Addr::new(1, 0, 0, number as u8);
        self.each(|side| {
            side.rib
                .peer_up(number, told.four, families, told.longest, router_id)
                .expect("it is there")
        });
    }

    fn down(&mut self, number: u32, keep: &[(u16, u8)]) {
        self.each(|side| {
            side.rib.peer_down(number, keep).expect("it is there");
            side.tables[number as usize].clear();
        });
    }

    fn step(&mut self, op: u8, octets: &mut Octets<'_>) {
        let number = 1 + u32::from(op >> 3 & 3);
        let family = [(1, 1), (2, 1)][usize::from(op >> 5 & 1)];
        match op & 7 {
            0 | 1 => self.hear(number, octets.some()),
            2 => {
                let body = right(octets, self.told(number), number);
                self.hear(number, &body);
            }
            3 => {
                self.down(number, if op & 32 != 0 { &[(1, 1), (2, 1)] } else { &[] });
                self.up(number);
            }
            4 => self.each(|side| side.rib.refresh(number, family.0, family.1, op & 64 != 0).expect("it is there")),
            5 if op & 128 != 0 => self.settle(),
            5 => self.tell(number, 100),
            6 if op & 64 != 0 => self.each(|side| side.rib.mark_stale(number, family.0, family.1).expect("it is there")),
            6 => self.each(|side| {
                side.rib.sweep_stale(number, family.0, family.1).expect("it is there");
            }),
            _ if op & 128 != 0 => {
                let more = octets.one().unwrap_or(0);
                self.set(number, more);
            }
            _ => {
                let prefix = own(OWN[usize::from(op >> 3 & 1)]);
                self.each(|side| match op & 64 {
                    0 => side.rib.originate(prefix, r#"{"next_hop": "10.0.0.254"}"#).expect("a right route"),
                    _ => side.rib.withdraw(prefix),
                });
            }
        }
    }

    /// A message from a peer; both sides judge it in the same way, and where it ends the session that is done.
    fn hear(&mut self, number: u32, body: &[u8]) {
        if body.len() < 4 {
            return;
        }
        let other = longer(body).unwrap_or_else(|| body.to_vec());
        let fast = self.fast.rib.receive(number, &message(2, body)).expect("it is up");
        let slow = self.slow.rib.receive(number, &message(2, &other)).expect("it is up");
        let code = |answer: &Result<(), dualhome_core::wire::NotificationError>| answer.as_ref().err().map(|e| (e.code, e.subcode));
        assert_eq!(code(&fast), code(&slow), "{body:x?}");
        self.each(|side| {
            side.rib.ended(number).expect("it is there");
        });
        if fast.is_err() {
            self.down(number, &[]);
            self.up(number);
        }
    }

    /// Decide, and tell a peer about so many octets.
    fn tell(&mut self, number: u32, most: usize) {
        let told = self.told(number);
        self.each(|side| {
            side.rib.process();
            let data = side.rib.output(number, most).expect("it is there");
            read(&data, &told, &mut side.tables[number as usize]);
        });
    }

    /// Tell everybody all, and compare what they hold.
    fn settle(&mut self) {
        self.each(|side| {
            side.rib.process();
        });
        for number in 1..=4 {
            let told = self.told(number);
            self.each(|side| {
                loop {
                    let data = side.rib.output(number, 65_536).expect("it is there");
                    if data.is_empty() {
                        break;
                    }
                    read(&data, &told, &mut side.tables[number as usize]);
                }
                let routes = side.rib.advertised(number, None).expect("it is there");
                let said: BTreeSet<Name> = routes.iter().map(|route| name(&route.prefix)).collect();
                let held: BTreeSet<Name> = side.tables[number as usize].keys().cloned().collect();
                assert_eq!(held, said, "what peer {number} holds");
            });
        }
        self.each(|side| assert_eq!(side.rib.pending(), [0; 0]));
        assert_eq!(self.fast.tables, self.slow.tables, "one way of reading, and the other");
    }
}

const OWN: [u8; 2] = [8, 9];

fn own(second: u8) -> Prefix {
    Prefix::new(4, u128::from(10u32 << 24 | u32::from(second) << 16), 16)
}

fn name(prefix: &Prefix) -> Name {
    let octets = if prefix.version == 4 {
        (prefix.bits as u32).to_be_bytes().to_vec()
    } else {
        prefix.bits.to_be_bytes().to_vec()
    };
    (
        prefix.version,
        octets[..usize::from(prefix.length.div_ceil(8))].to_vec(),
        prefix.length,
    )
}

/// A right message of few kinds, so that it is common that routes meet: attributes by the bits of one octet, prefixes by those of another.
fn right(octets: &mut Octets<'_>, told: Told, number: u32) -> Vec<u8> {
    let [which, of, value] = [(); 3].map(|()| octets.one().unwrap_or(0));
    let mut path: Vec<u32> = if told.external { vec![65100 + number] } else { Vec::new() };
    path.extend([9, 70_000, 65_000, 11].iter().take(usize::from(value & 3)).rev());
    let asns: Vec<u8> = path
        .iter()
        .flat_map(|asn| {
            if told.four {
                asn.to_be_bytes().to_vec()
            } else {
                (u16::try_from(*asn).unwrap_or(23456)).to_be_bytes().to_vec()
            }
        })
        .collect();
    let mut list = vec![0x40, 1, 1, value >> 2 & 1];
    list.extend([0x40, 2, if asns.is_empty() { 0 } else { asns.len() as u8 + 2 }]);
    list.extend(if asns.is_empty() { vec![] } else { vec![2, path.len() as u8] });
    list.extend(asns);
    let mut with = |bit: u8, octets: &[u8]| {
        if which & bit != 0 {
            list.extend(octets);
        }
    };
    with(1, &[0x40, 3, 4, 10, 0, 0, value & 7]);
    with(2, &[0x80, 4, 4, 0, 0, 0, value >> 4]);
    with(if told.external { 0 } else { 255 }, &[0x40, 5, 4, 0, 0, 0, 100 + (value >> 6)]);
    with(4, &[0xC0, 8, 8, 0xFE, 0x4C, 0, value & 3, 0xFF, 0xFF, 0xFF, value >> 5]);
    with(
        8,
        &[
            0x80,
            14,
            30,
            0,
            2,
            1,
            16,
            0x20,
            1,
            0x0D,
            0xB8,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            1,
            0,
            64,
            0x20,
            1,
            0x0D,
            0xB8,
            0,
            0,
            0,
            of & 3,
        ],
    );
    with(16, &[0xC0, 16, 8, 0x40, 2, 0, 0, 0, 0, 0, value]);
    with(32, &[0xC0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, value]);
    with(64, &[0xC0, 99, 1, value]);
    let prefixes: Vec<u8> = (0..4).filter(|n| of & 1 << n != 0).flat_map(|n| [16, 10, n]).collect();
    let gone: Vec<u8> = (0..4).filter(|n| of & 16 << n != 0).flat_map(|n| [16, 10, n]).collect();
    if which & 128 != 0 {
        return [&[0, gone.len() as u8][..], &gone, &[0, 0]].concat();
    }
    let length = (list.len() as u16).to_be_bytes();
    [
        &[0, gone.len() as u8][..],
        &gone,
        &length,
        &list,
        if which & 1 != 0 { &prefixes } else { &[] },
    ]
    .concat()
}

/// The same message with Extended Length in every attribute; None where its list is not whole or it would be too long.
pub fn longer(body: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = body.split_first_chunk()?;
    let (withdrawn, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (length_of_list, rest) = rest.split_first_chunk()?;
    let (mut list, announced) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length_of_list)))?;
    let mut out = Vec::new();
    while !list.is_empty() {
        let (head, rest) = list.split_first_chunk::<3>()?;
        let (count, rest) = if head[0] & 0x10 == 0 {
            (usize::from(head[2]), rest)
        } else {
            let (low, rest) = rest.split_first()?;
            (usize::from(head[2]) << 8 | usize::from(*low), rest)
        };
        let (value, rest) = rest.split_at_checked(count)?;
        out.extend([head[0] | 0x10, head[1]]);
        out.extend((count as u16).to_be_bytes());
        out.extend(value);
        list = rest;
    }
    let whole = [
        &length[..],
        withdrawn,
        &u16::try_from(out.len()).ok()?.to_be_bytes(),
        &out,
        announced,
    ]
    .concat();
    (whole.len() <= LONGEST).then_some(whole)
}
