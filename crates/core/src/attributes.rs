//! Path attributes as values (RFC 4271 section 5), shared by the wire format and the RIBs.
//!
//! Equal content is equal: `Attributes::normalize` sorts what has no order, so that equal blocks are one `block::Block`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// ORIGIN (RFC 4271 section 5.1.1); the lower wins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// 0: interior to the originating AS.
    Igp,
    /// 1: learned by EGP.
    Egp,
    /// 2: by other means.
    Incomplete,
}

impl Origin {
    /// From its octet on the wire.
    pub fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }

    /// From `igp`, `egp` or `incomplete`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "igp" => Some(Self::Igp),
            "egp" => Some(Self::Egp),
            "incomplete" => Some(Self::Incomplete),
            _ => None,
        }
    }

    /// `igp`, `egp` or `incomplete`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One segment of an AS_PATH (RFC 4271 section 4.3). Sequences may be longer than 255 here; the encoder cuts them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Segment {
    /// AS_SET: unordered; sorted and without doubles here.
    Set(Vec<u32>),
    /// AS_SEQUENCE: ordered; the first is the AS nearest to us.
    Sequence(Vec<u32>),
}

impl Segment {
    /// Its AS numbers.
    pub fn asns(&self) -> &[u32] {
        match self {
            Self::Set(asns) | Self::Sequence(asns) => asns,
        }
    }

    fn asns_mut(&mut self) -> &mut Vec<u32> {
        match self {
            Self::Set(asns) | Self::Sequence(asns) => asns,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, between, close) = match self {
            Self::Set(_) => ("{", ",", "}"),
            Self::Sequence(_) => ("", " ", ""),
        };
        f.write_str(open)?;
        for (i, asn) in self.asns().iter().enumerate() {
            if i > 0 {
                f.write_str(between)?;
            }
            write!(f, "{asn}")?;
        }
        f.write_str(close)
    }
}

/// Whether the AS number is reserved for private use (RFC 6996 section 5).
pub fn is_private(asn: u32) -> bool {
    matches!(asn, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
}

/// What one does with an AS_PATH; bring it in with `use`. No name here is one of `Vec`'s own.
pub trait AsPath {
    /// Number of hops: a set counts 1 (RFC 4271 section 9.1.2.2 a).
    fn length(&self) -> usize;
    /// How many times the AS number stands in it, sets included.
    fn count(&self, asn: u32) -> usize;
    /// How many copies of the AS number it begins with.
    fn leading(&self, asn: u32) -> usize;
    /// The first AS number, if the path begins with a sequence: the neighboring AS (RFC 4271 section 9.1.2.2 c).
    fn neighbor_as(&self) -> Option<u32>;
    /// The last AS number of the path, if it ends with a sequence: the originating AS.
    fn origin_as(&self) -> Option<u32>;
    /// All AS numbers in the order of the path, sets included.
    fn asns(&self) -> Vec<u32>;
    /// Put `count` copies of the AS number in front (RFC 4271 section 5.1.2 b).
    fn prepend(&mut self, asn: u32, count: usize);
    /// Each copy of `from` becomes `to`.
    fn replace_asn(&mut self, from: u32, to: u32);
    /// Drop each copy of the AS number.
    fn remove_asn(&mut self, asn: u32);
    /// Drop all private AS numbers (RFC 6996).
    fn remove_private(&mut self);
    /// Bring it to the one form that equal paths have: sets sorted, adjacent sequences joined, no empty segments.
    fn normalize(&mut self);
    /// `65001 12076 {65010,65011}`; empty for an empty path.
    fn text(&self) -> String;
}

impl AsPath for Vec<Segment> {
    fn length(&self) -> usize {
        self.iter()
            .map(|s| match s {
                Segment::Set(_) => 1,
                Segment::Sequence(asns) => asns.len(),
            })
            .sum()
    }

    fn count(&self, asn: u32) -> usize {
        self.iter().flat_map(|s| s.asns()).filter(|&&a| a == asn).count()
    }

    fn leading(&self, asn: u32) -> usize {
        match self.first() {
            Some(Segment::Sequence(asns)) => asns.iter().take_while(|&&a| a == asn).count(),
            _ => 0,
        }
    }

    fn neighbor_as(&self) -> Option<u32> {
        match self.first() {
            Some(Segment::Sequence(asns)) => asns.first().copied(),
            _ => None,
        }
    }

    fn origin_as(&self) -> Option<u32> {
        match self.last() {
            Some(Segment::Sequence(asns)) => asns.last().copied(),
            _ => None,
        }
    }

    fn asns(&self) -> Vec<u32> {
        self.iter().flat_map(|s| s.asns()).copied().collect()
    }

    fn prepend(&mut self, asn: u32, count: usize) {
        if count == 0 {
            return;
        }
        let copies = std::iter::repeat_n(asn, count);
        if let Some(Segment::Sequence(asns)) = self.first_mut() {
            asns.splice(0..0, copies);
        } else {
            self.insert(0, Segment::Sequence(copies.collect()));
        }
    }

    fn replace_asn(&mut self, from: u32, to: u32) {
        for asn in self.iter_mut().flat_map(|s| s.asns_mut()) {
            if *asn == from {
                *asn = to;
            }
        }
        self.normalize();
    }

    fn remove_asn(&mut self, asn: u32) {
        for segment in self.iter_mut() {
            segment.asns_mut().retain(|&a| a != asn);
        }
        self.normalize();
    }

    fn remove_private(&mut self) {
        for segment in self.iter_mut() {
            segment.asns_mut().retain(|&a| !is_private(a));
        }
        self.normalize();
    }

    fn normalize(&mut self) {
        let plain = self.iter().all(|s| !s.asns().is_empty());
        if plain && matches!(self.as_slice(), [] | [Segment::Sequence(_)]) {
            return;
        }
        let mut joined: Vec<Segment> = Vec::with_capacity(self.len());
        for mut segment in self.drain(..) {
            if let Segment::Set(asns) = &mut segment {
                asns.sort_unstable();
                asns.dedup();
            }
            match (joined.last_mut(), segment) {
                (_, s) if s.asns().is_empty() => {}
                (Some(Segment::Sequence(asns)), Segment::Sequence(more)) => asns.extend(more),
                (_, s) => joined.push(s),
            }
        }
        *self = joined;
    }

    fn text(&self) -> String {
        let parts: Vec<String> = self.iter().map(ToString::to_string).collect();
        parts.join(" ")
    }
}

/// An AS_PATH from its text, as `65001 12076 {65010,65011}`; None where it is none.
pub fn parse_as_path(text: &str) -> Option<Vec<Segment>> {
    let asn = |t: &str| t.trim().parse::<u32>().ok();
    let mut path = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let (members, after) = inner.split_once('}')?;
            path.push(Segment::Set(members.split(',').map(asn).collect::<Option<_>>()?));
            rest = after.trim_start();
        } else {
            let end = rest.find([' ', '{']).unwrap_or(rest.len());
            path.push(Segment::Sequence(vec![asn(&rest[..end])?]));
            rest = rest[end..].trim_start();
        }
    }
    path.normalize();
    Some(path)
}

/// A path through a sequence of AS numbers; empty for none.
pub fn sequence(asns: &[u32]) -> Vec<Segment> {
    if asns.is_empty() {
        Vec::new()
    } else {
        vec![Segment::Sequence(asns.to_vec())]
    }
}

/// NO_EXPORT (RFC 1997).
pub const NO_EXPORT: u32 = 0xFFFF_FF01;
/// NO_ADVERTISE (RFC 1997).
pub const NO_ADVERTISE: u32 = 0xFFFF_FF02;
/// NO_EXPORT_SUBCONFED (RFC 1997).
pub const NO_EXPORT_SUBCONFED: u32 = 0xFFFF_FF03;

const NAMED_COMMUNITIES: [(u32, &str); 3] = [
    (NO_EXPORT, "no-export"),
    (NO_ADVERTISE, "no-advertise"),
    (NO_EXPORT_SUBCONFED, "no-export-subconfed"),
];

/// A community as text: `65001:100`, or its name (RFC 1997).
pub fn community_text(community: u32) -> String {
    match NAMED_COMMUNITIES.iter().find(|(c, _)| *c == community) {
        Some((_, name)) => (*name).to_string(),
        None => format!("{}:{}", community >> 16, community & 0xFFFF),
    }
}

/// A community from text: `65001:100`, or its name; None where it is none.
pub fn parse_community(text: &str) -> Option<u32> {
    if let Some((community, _)) = NAMED_COMMUNITIES.iter().find(|(_, n)| *n == text) {
        return Some(*community);
    }
    let (high, low) = text.split_once(':')?;
    Some(u32::from(high.parse::<u16>().ok()?) << 16 | u32::from(low.parse::<u16>().ok()?))
}

/// A large community as text: `4200000000:1:2` (RFC 8092 section 4).
pub fn large_community_text(community: [u32; 3]) -> String {
    format!("{}:{}:{}", community[0], community[1], community[2])
}

/// A large community from text: `4200000000:1:2`; None where it is none.
pub fn parse_large_community(text: &str) -> Option<[u32; 3]> {
    let parts: Vec<u32> = text.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// One block of path attributes; a path is an `Arc` of one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Attributes {
    /// ORIGIN (RFC 4271 section 5.1.1).
    pub origin: Origin,
    /// AS_PATH, already merged with AS4_PATH (RFC 6793 section 4.2.3).
    pub as_path: Vec<Segment>,
    /// NEXT_HOP (RFC 4271 section 5.1.3), or the global one of MP_REACH_NLRI (RFC 4760, RFC 2545).
    pub next_hop: IpAddr,
    /// MULTI_EXIT_DISC (RFC 4271 section 5.1.4).
    pub med: Option<u32>,
    /// LOCAL_PREF (RFC 4271 section 5.1.5).
    pub local_preference: Option<u32>,
    /// ATOMIC_AGGREGATE (RFC 4271 section 5.1.6).
    pub atomic_aggregate: bool,
    /// AGGREGATOR (RFC 4271 section 5.1.7), merged with AS4_AGGREGATOR.
    pub aggregator: Option<(u32, Ipv4Addr)>,
    /// COMMUNITIES (RFC 1997), sorted, no doubles.
    pub communities: Vec<u32>,
    /// EXTENDED COMMUNITIES (RFC 4360), sorted, no doubles.
    pub extended_communities: Vec<u64>,
    /// LARGE_COMMUNITY (RFC 8092), sorted, no doubles.
    pub large_communities: Vec<[u32; 3]>,
    /// ORIGINATOR_ID (RFC 4456 section 8).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST (RFC 4456 section 8), the last added first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// ONLY_TO_CUSTOMER (RFC 9234 section 5).
    pub only_to_customer: Option<u32>,
    /// Unknown optional transitive ones, passed on: flags (Partial set, Extended Length clear), type, value; by type (RFC 4271 section 5).
    pub unknown: Vec<(u8, u8, Vec<u8>)>,
}

impl Attributes {
    /// The least block there is: ORIGIN IGP, an empty path and this next hop.
    pub fn new(next_hop: IpAddr) -> Self {
        Self {
            origin: Origin::Igp,
            as_path: Vec::new(),
            next_hop,
            med: None,
            local_preference: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            originator_id: None,
            cluster_list: Vec::new(),
            only_to_customer: None,
            unknown: Vec::new(),
        }
    }

    /// Bring it to the one form that equal blocks have; to be called after a change of communities or path by hand.
    pub fn normalize(&mut self) {
        self.as_path.normalize();
        self.communities.sort_unstable();
        self.communities.dedup();
        self.extended_communities.sort_unstable();
        self.extended_communities.dedup();
        self.large_communities.sort_unstable();
        self.large_communities.dedup();
        self.unknown.sort_by_key(|(_, kind, _)| *kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Segment> {
        parse_as_path(text).unwrap()
    }

    #[test]
    fn a_path_is_read_and_written() {
        for text in ["", "65001", "65001 12076 {65010,65011}", "{1} 2 3 {4,5}"] {
            assert_eq!(path(text).text(), text);
        }
        assert_eq!(path("1{3,2,3}4 5"), path("1 {2,3} 4 5"));
        for text in ["a", "{1", "1 }", "{}", "-1", "4294967296"] {
            assert_eq!(parse_as_path(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_counts_one() {
        assert_eq!(path("1 1 {2,3,4}").length(), 3);
        assert_eq!(path("").length(), 0);
    }

    #[test]
    fn paths_are_searched() {
        let p = path("7 7 8 {7,9} 7");
        assert_eq!((p.count(7), p.leading(7), p.leading(8)), (4, 2, 0));
        assert_eq!((p.neighbor_as(), p.origin_as()), (Some(7), Some(7)));
        assert_eq!(p.asns(), [7, 7, 8, 7, 9, 7]);
        assert_eq!(path("{1} 2").neighbor_as(), None);
    }

    #[test]
    fn paths_are_changed() {
        let mut p = path("{5} 6");
        p.prepend(1, 2);
        p.prepend(1, 0);
        assert_eq!(p.text(), "1 1 {5} 6");
        p.replace_asn(1, 2);
        assert_eq!(p.text(), "2 2 {5} 6");
        p.remove_asn(5);
        assert_eq!(p, sequence(&[2, 2, 6]));
        let mut p = path("64512 3 {65534} 4200000000 65535 64511 4294967295");
        p.remove_private();
        assert_eq!(p.text(), "3 65535 64511 4294967295");
    }

    #[test]
    fn communities_have_names() {
        for text in ["65517:65517", "0:1", "no-export", "no-advertise", "no-export-subconfed"] {
            assert_eq!(community_text(parse_community(text).unwrap()), text);
        }
        assert_eq!(parse_community("65536:1"), None);
        assert_eq!(parse_community("1"), None);
        assert_eq!(parse_large_community("4200000000:1:2"), Some([4_200_000_000, 1, 2]));
        assert_eq!(parse_large_community("1:2"), None);
        assert_eq!(large_community_text([1, 2, 3]), "1:2:3");
    }
}
