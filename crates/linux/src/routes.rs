//! Nexthop objects, groups of them, and routes that point at them, in bulk (Linux's include/uapi/linux/nexthop.h, rtnetlink.h).

use std::net::IpAddr;

use libc::{NLM_F_CREATE, NLM_F_REPLACE, RTM_DELROUTE, RTM_NEWROUTE};
use rustc_hash::FxHashMap;

use crate::addresses::{family, octets};
use crate::error::{Error, Failure, Result};
use crate::links::Device;
use crate::message::Buffer;
use crate::socket::{Requests, Socket};

pub const RTM_NEWNEXTHOP: u16 = 104;
pub const RTM_DELNEXTHOP: u16 = 105;
pub const RTM_GETNEXTHOP: u16 = 106;
pub const NHA_ID: u16 = 1;
pub const NHA_GROUP: u16 = 2;
const NHA_BLACKHOLE: u16 = 4;
pub const NHA_OIF: u16 = 5;
pub const NHA_GATEWAY: u16 = 6;
pub const RTA_NH_ID: u16 = 30;
const RTNH_F_ONLINK: u32 = 4;

/// A nexthop object. No device: packets are dropped. An unspecified gateway (0.0.0.0, ::): the destination is a neighbor itself.
#[derive(Debug, Clone)]
pub struct Nexthop {
    pub id: u32,
    pub gateway: IpAddr,
    pub device: Option<Device>,
    pub onlink: bool,
}

/// A group of nexthop objects, a flow's hash chooses.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: u32,
    pub members: Vec<u32>,
}

/// Put nexthop objects, then groups, then drop ids; what was refused, by its place in this order. Dropping takes all routes along that lead there.
pub fn nexthops(socket: &mut Socket, put: &[Nexthop], groups: &[Group], drop: &[u32], protocol: u8) -> Result<Vec<Failure>> {
    let mut numbers: FxHashMap<&Device, Result<u32>> = FxHashMap::default();
    for device in put.iter().filter_map(|n| n.device.as_ref()) {
        numbers.entry(device).or_insert_with(|| device.number(socket));
    }
    let mut requests = Requests::new(socket);
    for nexthop in put {
        match nexthop.device.as_ref().map(|d| numbers[d].as_ref()).transpose() {
            Ok(number) => {
                let flags = if nexthop.onlink { RTNH_F_ONLINK } else { 0 };
                let header = nexthop_header(family(&nexthop.gateway), protocol, flags);
                requests.push(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, &header, |b| {
                    write_nexthop(b, nexthop, number.copied())
                })?;
            }
            Err(error) => requests.refuse(error),
        }
    }
    for group in groups {
        let header = nexthop_header(libc::AF_UNSPEC as u8, protocol, 0);
        requests.push(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, &header, |b| write_group(b, group))?;
    }
    for id in drop {
        requests.push(RTM_DELNEXTHOP, 0, &nexthop_header(libc::AF_UNSPEC as u8, 0, 0), |b| {
            b.number(NHA_ID, *id)
        })?;
    }
    requests.finish()
}

/// `nhmsg`.
fn nexthop_header(family: u8, protocol: u8, flags: u32) -> [u8; 8] {
    let f = flags.to_ne_bytes();
    [family, 0, protocol, 0, f[0], f[1], f[2], f[3]]
}

fn write_nexthop(buffer: &mut Buffer, nexthop: &Nexthop, device: Option<u32>) {
    buffer.number(NHA_ID, nexthop.id);
    let Some(device) = device else {
        return buffer.attribute(NHA_BLACKHOLE, &[]);
    };
    buffer.number(NHA_OIF, device);
    if !nexthop.gateway.is_unspecified() {
        let (bytes, length) = octets(&nexthop.gateway);
        buffer.attribute(NHA_GATEWAY, &bytes[..length]);
    }
}

fn write_group(buffer: &mut Buffer, group: &Group) {
    let members: Vec<u8> = group.members.iter().flat_map(|id| [id.to_ne_bytes(), [0; 4]].concat()).collect();
    buffer.number(NHA_ID, group.id);
    buffer.attribute(NHA_GROUP, &members);
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Nexthop(u32),
    Unreachable,
    Blackhole,
    Prohibit,
    Throw,
    /// The destination is this host's own, received by the interface (`local … dev lo`).
    Local(u32),
}

impl Target {
    fn kind(self) -> u8 {
        match self {
            Self::Nexthop(_) => libc::RTN_UNICAST,
            Self::Unreachable => libc::RTN_UNREACHABLE,
            Self::Blackhole => libc::RTN_BLACKHOLE,
            Self::Prohibit => libc::RTN_PROHIBIT,
            Self::Throw => libc::RTN_THROW,
            Self::Local(_) => libc::RTN_LOCAL,
        }
    }
}

/// Which routes of the kernel are meant: the table, the mark of who made them, and the metric (0: the kernel's default).
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub table: u32,
    pub protocol: u8,
    pub metric: u32,
}

/// Put routes and drop routes; what was refused, by its place in put and then drop. The octets of an address say its family.
pub fn routes<A: AsRef<[u8]>>(socket: &mut Socket, put: &[(A, u8, Target)], drop: &[(A, u8)], place: Place) -> Result<Vec<Failure>> {
    let mut requests = Requests::new(socket);
    for (address, length, target) in put {
        let address = address.as_ref();
        match route_header(address, *length, place, Some(*target)) {
            Ok(header) => requests.push(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, |b| {
                write_route(b, address, place, Some(*target))
            })?,
            Err(error) => requests.refuse(&error),
        }
    }
    for (address, length) in drop {
        let address = address.as_ref();
        match route_header(address, *length, place, None) {
            Ok(header) => requests.push(RTM_DELROUTE, 0, &header, |b| write_route(b, address, place, None))?,
            Err(error) => requests.refuse(&error),
        }
    }
    requests.finish()
}

/// `rtmsg`; without a target, of whatever kind and scope.
fn route_header(address: &[u8], length: u8, place: Place, target: Option<Target>) -> Result<[u8; 12]> {
    let (family, most) = match address.len() {
        4 => (libc::AF_INET, 32),
        16 => (libc::AF_INET6, 128),
        octets => return Err(Error::invalid(format_args!("an address of {octets} octets"))),
    };
    if length > most {
        return Err(Error::invalid(format_args!("a prefix length of {length}")));
    }
    let table = u8::try_from(place.table).unwrap_or(libc::RT_TABLE_UNSPEC); // the attribute counts
    let (scope, kind) = match target {
        Some(Target::Local(_)) => (libc::RT_SCOPE_HOST, libc::RTN_LOCAL),
        Some(target) => (libc::RT_SCOPE_UNIVERSE, target.kind()),
        None => (libc::RT_SCOPE_NOWHERE, libc::RTN_UNSPEC),
    };
    Ok([family as u8, length, 0, 0, table, place.protocol, scope, kind, 0, 0, 0, 0])
}

fn write_route(buffer: &mut Buffer, address: &[u8], place: Place, target: Option<Target>) {
    buffer.attribute(libc::RTA_DST, address);
    if place.table > 255 {
        buffer.number(libc::RTA_TABLE, place.table);
    }
    if place.metric != 0 {
        buffer.number(libc::RTA_PRIORITY, place.metric);
    }
    match target {
        Some(Target::Nexthop(id)) => buffer.number(RTA_NH_ID, id),
        Some(Target::Local(device)) => buffer.number(libc::RTA_OIF, device),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{attributes, messages};

    const PLACE: Place = Place {
        table: 254,
        protocol: 84,
        metric: 0,
    };

    fn written(header: &[u8], write: impl FnOnce(&mut Buffer)) -> (Vec<u8>, Vec<(u16, Vec<u8>)>) {
        let mut buffer = Buffer::default();
        buffer.begin(RTM_NEWROUTE, 0, 0, header);
        write(&mut buffer);
        buffer.end();
        let message = messages(buffer.bytes()).next().unwrap();
        let (fixed, rest) = message.body.split_at(header.len());
        (fixed.to_vec(), attributes(rest).map(|(k, v)| (k, v.to_vec())).collect())
    }

    #[test]
    fn a_route_is_its_prefix_and_the_nexthop_object() {
        let target = Some(Target::Nexthop(7));
        let header = route_header(&[10, 1, 0, 0], 16, PLACE, target).unwrap();
        let (fixed, rest) = written(&header, |b| write_route(b, &[10, 1, 0, 0], PLACE, target));
        assert_eq!(fixed, [2, 16, 0, 0, 254, 84, 0, 1, 0, 0, 0, 0]);
        assert_eq!(rest, [(1, vec![10, 1, 0, 0]), (RTA_NH_ID, 7_u32.to_ne_bytes().to_vec())]);
    }

    #[test]
    fn a_table_above_255_and_a_metric_are_attributes() {
        let place = Place {
            table: 1000,
            protocol: 84,
            metric: 20,
        };
        let address = [0xfd; 16];
        let (fixed, rest) = written(&route_header(&address, 128, place, None).unwrap(), |b| {
            write_route(b, &address, place, None)
        });
        assert_eq!(fixed, [10, 128, 0, 0, 0, 84, 255, 0, 0, 0, 0, 0]);
        assert_eq!(
            rest[1..],
            [
                (libc::RTA_TABLE, 1000_u32.to_ne_bytes().to_vec()),
                (libc::RTA_PRIORITY, 20_u32.to_ne_bytes().to_vec())
            ]
        );
    }

    #[test]
    fn a_local_route_has_the_scope_of_the_host() {
        let header = route_header(&[10, 1, 0, 0], 16, PLACE, Some(Target::Local(1))).unwrap();
        assert_eq!(header[6..8], [libc::RT_SCOPE_HOST, libc::RTN_LOCAL]);
    }

    #[test]
    fn prefixes_that_are_none_are_refused_before_the_kernel_sees_them() {
        assert!(route_header(&[10, 1, 0], 16, PLACE, None).is_err());
        assert!(route_header(&[10, 1, 0, 0], 33, PLACE, None).is_err());
    }

    #[test]
    fn nexthops_and_groups_are_written_as_the_kernel_wants_them() {
        let gateway = "169.254.0.1".parse().unwrap();
        let nexthop = Nexthop {
            id: 5,
            gateway,
            device: Some(Device::Number(3)),
            onlink: true,
        };
        let (fixed, rest) = written(&nexthop_header(2, 84, RTNH_F_ONLINK), |b| write_nexthop(b, &nexthop, Some(3)));
        assert_eq!(fixed, [2, 0, 84, 0, 4, 0, 0, 0]);
        assert_eq!(
            rest,
            [
                (NHA_ID, vec![5, 0, 0, 0]),
                (NHA_OIF, vec![3, 0, 0, 0]),
                (NHA_GATEWAY, vec![169, 254, 0, 1])
            ]
        );
        let group = Group {
            id: 9,
            members: vec![5, 6],
        };
        let (_, rest) = written(&nexthop_header(0, 84, 0), |b| write_group(b, &group));
        assert_eq!(rest[1], (NHA_GROUP, vec![5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]));
    }
}
