//! What the kernel has: links, nexthop objects, and routes of any protocol with their next hops resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libc::{AF_INET, AF_INET6, RTM_GETLINK, RTM_GETROUTE, RTM_NEWLINK, RTM_NEWROUTE};
use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::message::{Message, attributes, half, number, text};
use crate::routes::{NHA_GATEWAY, NHA_GROUP, NHA_ID, NHA_OIF, RTA_NH_ID, RTM_GETNEXTHOP, RTM_NEWNEXTHOP};
use crate::socket::Socket;

const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// An interface. `kind` is empty for a device of hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub number: u32,
    pub name: String,
    pub kind: String,
    pub mac: Vec<u8>,
    pub up: bool,
}

/// Where packets of a route go; weight 1 is usual.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hop {
    pub gateway: Option<IpAddr>,
    pub device: u32,
    pub weight: u32,
}

/// A nexthop object: of a group, its members with their weights; device 0: packets are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NexthopRow {
    pub id: u32,
    pub gateway: Option<IpAddr>,
    pub device: u32,
    pub members: Vec<(u32, u32)>,
    pub protocol: u8,
}

/// A route. `hops` is a place in `Routes::hops`; no hop: unreachable, blackhole or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    pub address: IpAddr,
    pub length: u8,
    pub protocol: u8,
    pub metric: u32,
    pub hops: usize,
}

/// Routes of a table, IPv4 first, as the kernel orders them. Routes share their sets of hops.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    pub rows: Vec<RouteRow>,
    pub hops: Vec<Vec<Hop>>,
}

/// All links, in the kernel's order.
pub fn links(socket: &mut Socket) -> Result<Vec<Link>> {
    socket.dump(
        RTM_GETLINK,
        &[0; 16],
        |b| b.number(libc::IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS),
        read_link,
    )
}

fn read_link(message: &Message<'_>) -> Option<Link> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let body = message.body;
    let loopback = half(body, 2)? == libc::ARPHRD_LOOPBACK;
    let kind = if loopback { "loopback".to_string() } else { String::new() };
    let up = number(body, 8)? & libc::IFF_UP as u32 != 0;
    let mut link = Link {
        number: number(body, 4)?,
        name: String::new(),
        kind,
        mac: Vec::new(),
        up,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => link.mac = value.to_vec(),
            libc::IFLA_LINKINFO => {
                link.kind = attributes(value)
                    .find(|(k, _)| *k == libc::IFLA_INFO_KIND)
                    .map_or(link.kind, |(_, v)| text(v))
            }
            _ => {}
        }
    }
    Some(link)
}

/// All nexthop objects, by id.
pub fn nexthops(socket: &mut Socket) -> Result<Vec<NexthopRow>> {
    socket.dump(RTM_GETNEXTHOP, &[0; 8], |_| (), read_nexthop)
}

fn read_nexthop(message: &Message<'_>) -> Option<NexthopRow> {
    if message.kind != RTM_NEWNEXTHOP {
        return None;
    }
    let mut row = NexthopRow {
        id: 0,
        gateway: None,
        device: 0,
        members: Vec::new(),
        protocol: *message.body.get(2)?,
    };
    for (kind, value) in attributes(message.body.get(8..)?) {
        match kind {
            NHA_ID => row.id = number(value, 0)?,
            NHA_OIF => row.device = number(value, 0)?,
            NHA_GATEWAY => row.gateway = address(value),
            NHA_GROUP => {
                row.members = value
                    .chunks_exact(8)
                    .filter_map(|m| Some((number(m, 0)?, member_weight(m))))
                    .collect()
            }
            _ => {}
        }
    }
    Some(row)
}

/// `nexthop_grp`: weight less one, low octet and (since Linux 6.12) high octet.
fn member_weight(member: &[u8]) -> u32 {
    u32::from(member[4]) + (u32::from(member[5]) << 8) + 1
}

/// All routes of a table, of whatever protocol.
pub fn routes(socket: &mut Socket, table: u32) -> Result<Routes> {
    let resolved = resolve(&nexthops(socket)?);
    let mut found = Routes::default();
    let mut places: FxHashMap<Vec<Hop>, usize> = FxHashMap::default();
    let mut of_object: FxHashMap<u32, usize> = FxHashMap::default();
    let mut place = |hops: Vec<Hop>| {
        *places.entry(hops).or_insert_with_key(|hops| {
            found.hops.push(hops.clone());
            found.hops.len() - 1
        })
    };
    for family in [AF_INET, AF_INET6] {
        let mut header = [0; 12];
        header[0] = family as u8;
        header[4] = u8::try_from(table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let read = socket.dump(
            RTM_GETROUTE,
            &header,
            |b| b.number(libc::RTA_TABLE, table),
            |m| read_route(m, family, table),
        );
        let read = match read {
            Err(error) if error.errno == libc::ENOENT => Vec::new(), // no route was ever in this table
            other => other?,
        };
        for raw in read {
            let hops = match raw.object {
                Some(id) => *of_object
                    .entry(id)
                    .or_insert_with(|| place(resolved.get(&id).cloned().unwrap_or_default())),
                None => place(raw.hops),
            };
            found.rows.push(RouteRow {
                address: raw.address,
                length: raw.length,
                protocol: raw.protocol,
                metric: raw.metric,
                hops,
            });
        }
    }
    Ok(found)
}

/// The hops of each nexthop object, groups opened; a blackhole has none.
fn resolve(nexthops: &[NexthopRow]) -> FxHashMap<u32, Vec<Hop>> {
    let one = |n: &NexthopRow, weight| Hop {
        gateway: n.gateway,
        device: n.device,
        weight,
    };
    let single: FxHashMap<u32, &NexthopRow> = nexthops.iter().filter(|n| n.device != 0).map(|n| (n.id, n)).collect();
    let opened = |n: &NexthopRow| {
        n.members
            .iter()
            .filter_map(|(id, weight)| single.get(id).map(|m| one(m, *weight)))
            .collect()
    };
    nexthops
        .iter()
        .map(|n| (n.id, if n.device == 0 { opened(n) } else { vec![one(n, 1)] }))
        .collect()
}

struct RawRoute {
    address: IpAddr,
    length: u8,
    protocol: u8,
    metric: u32,
    object: Option<u32>,
    hops: Vec<Hop>,
}

fn read_route(message: &Message<'_>, family: i32, table: u32) -> Option<RawRoute> {
    let body = message.body;
    if message.kind != RTM_NEWROUTE || i32::from(*body.first()?) != family {
        return None;
    }
    let zero = if family == AF_INET {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let mut raw = RawRoute {
        address: zero,
        length: *body.get(1)?,
        protocol: *body.get(5)?,
        metric: 0,
        object: None,
        hops: Vec::new(),
    };
    let mut in_table = u32::from(*body.get(4)?);
    let mut single = Hop {
        gateway: None,
        device: 0,
        weight: 1,
    };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            libc::RTA_DST => raw.address = address(value)?,
            libc::RTA_TABLE => in_table = number(value, 0)?,
            libc::RTA_PRIORITY => raw.metric = number(value, 0)?,
            RTA_NH_ID => raw.object = Some(number(value, 0)?),
            libc::RTA_OIF => single.device = number(value, 0)?,
            libc::RTA_GATEWAY => single.gateway = address(value),
            libc::RTA_VIA => single.gateway = via(value),
            libc::RTA_MULTIPATH => raw.hops = multipath(value),
            _ => {}
        }
    }
    let leads_nowhere = matches!(
        *body.get(7)?,
        libc::RTN_UNREACHABLE | libc::RTN_BLACKHOLE | libc::RTN_PROHIBIT | libc::RTN_THROW
    );
    if leads_nowhere {
        raw.hops.clear(); // IPv6 says "dev lo"
    } else if raw.hops.is_empty() && single.device != 0 {
        raw.hops.push(single);
    }
    (in_table == table).then_some(raw)
}

/// A row of `rtnexthop`s, each with its attributes.
fn multipath(mut bytes: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some(hop) = half(bytes, 0)
        .and_then(|length| bytes.get(..usize::from(length)))
        .filter(|hop| hop.len() >= 8)
    {
        let mut gateway = None;
        for (kind, value) in attributes(&hop[8..]) {
            match kind {
                libc::RTA_GATEWAY => gateway = address(value),
                libc::RTA_VIA => gateway = via(value),
                _ => {}
            }
        }
        let device = number(hop, 4).unwrap_or_default();
        hops.push(Hop {
            gateway,
            device,
            weight: u32::from(hop[3]) + 1,
        });
        bytes = bytes.get(hop.len().next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// `rtvia`: a family and an address of it.
fn via(value: &[u8]) -> Option<IpAddr> {
    address(value.get(2..)?)
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Buffer, messages};

    fn route(kind: u8, write: impl FnOnce(&mut Buffer)) -> Option<RawRoute> {
        let mut buffer = Buffer::default();
        buffer.begin(RTM_NEWROUTE, 0, 0, &[2, 16, 0, 0, 254, 186, 0, kind, 0, 0, 0, 0]);
        buffer.attribute(libc::RTA_DST, &[10, 1, 0, 0]);
        write(&mut buffer);
        buffer.end();
        read_route(&messages(buffer.bytes()).next().unwrap(), AF_INET, 254)
    }

    #[test]
    fn a_route_of_several_hops_keeps_gateways_of_both_families_and_weights() {
        let raw = route(libc::RTN_UNICAST, |b| {
            b.number(libc::RTA_PRIORITY, 20);
            b.nested(libc::RTA_MULTIPATH, |b| {
                b.fixed(&[16, 0, 0, 0, 3, 0, 0, 0]);
                b.attribute(libc::RTA_GATEWAY, &[10, 0, 0, 1]);
                b.fixed(&[32, 0, 0, 1, 4, 0, 0, 0]);
                b.attribute(libc::RTA_VIA, &[[10, 0].as_slice(), &[0xfe; 16]].concat());
            });
        })
        .unwrap();
        assert_eq!(
            (raw.address.to_string().as_str(), raw.length, raw.protocol, raw.metric),
            ("10.1.0.0", 16, 186, 20)
        );
        let second = Some(IpAddr::from([0xfe; 16]));
        let first = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(
            raw.hops,
            [
                Hop {
                    gateway: first,
                    device: 3,
                    weight: 1
                },
                Hop {
                    gateway: second,
                    device: 4,
                    weight: 2
                }
            ]
        );
    }

    #[test]
    fn an_unreachable_route_has_no_hops_and_other_tables_are_left_out() {
        assert_eq!(route(libc::RTN_UNREACHABLE, |b| b.number(libc::RTA_OIF, 1)).unwrap().hops, []);
        assert!(route(libc::RTN_UNICAST, |b| b.number(libc::RTA_TABLE, 100)).is_none());
    }

    #[test]
    fn groups_are_opened_to_their_members() {
        let row = |id, device, members| NexthopRow {
            id,
            gateway: None,
            device,
            members,
            protocol: 84,
        };
        let resolved = resolve(&[
            row(1, 3, vec![]),
            row(2, 4, vec![]),
            row(9, 0, vec![(1, 1), (2, 5)]),
            row(8, 0, vec![]),
        ]);
        let hop = |device, weight| Hop {
            gateway: None,
            device,
            weight,
        };
        assert_eq!(resolved[&1], [hop(3, 1)]);
        assert_eq!(resolved[&9], [hop(3, 1), hop(4, 5)]);
        assert_eq!(resolved[&8], []);
    }

    #[test]
    fn a_weight_has_two_octets() {
        assert_eq!(member_weight(&[0, 0, 0, 0, 255, 0, 0, 0]), 256);
        assert_eq!(member_weight(&[0, 0, 0, 0, 0, 1, 0, 0]), 257);
    }
}
