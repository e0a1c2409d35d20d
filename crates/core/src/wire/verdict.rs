//! What a defect of a path attribute means for the session and the routes (RFC 7606): one table, attribute by defect.

/// From mild to grave; of several the gravest counts (RFC 7606 section 3 h).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// The attribute is left out, the rest lives ("attribute discard").
    Discard,
    /// All routes of the message are as if withdrawn.
    TreatAsWithdraw,
    /// A NOTIFICATION ends the session.
    Reset,
}

/// What can be wrong with an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Defect {
    /// Its Optional or Transitive flag is not that of its type (RFC 7606 section 3 c).
    Flags,
    /// Its length can't be that of its type.
    Length,
    /// Its content is malformed or undefined.
    Value,
    /// It is there more than once (RFC 7606 section 3 g).
    Repeated,
    /// It is not there, and has to be (RFC 7606 section 3 d).
    Missing,
    /// It comes from an external peer, and must not (RFC 7606 sections 7.5, 7.9, 7.10).
    External,
}

/// Attribute type codes.
pub mod kind {
    /// ORIGIN (RFC 4271 section 5.1.1).
    pub const ORIGIN: u8 = 1;
    /// AS_PATH (RFC 4271 section 5.1.2).
    pub const AS_PATH: u8 = 2;
    /// NEXT_HOP (RFC 4271 section 5.1.3).
    pub const NEXT_HOP: u8 = 3;
    /// MULTI_EXIT_DISC (RFC 4271 section 5.1.4).
    pub const MED: u8 = 4;
    /// LOCAL_PREF (RFC 4271 section 5.1.5).
    pub const LOCAL_PREF: u8 = 5;
    /// ATOMIC_AGGREGATE (RFC 4271 section 5.1.6).
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// AGGREGATOR (RFC 4271 section 5.1.7).
    pub const AGGREGATOR: u8 = 7;
    /// COMMUNITIES (RFC 1997).
    pub const COMMUNITIES: u8 = 8;
    /// ORIGINATOR_ID (RFC 4456 section 8).
    pub const ORIGINATOR_ID: u8 = 9;
    /// CLUSTER_LIST (RFC 4456 section 8).
    pub const CLUSTER_LIST: u8 = 10;
    /// MP_REACH_NLRI (RFC 4760 section 3).
    pub const MP_REACH: u8 = 14;
    /// MP_UNREACH_NLRI (RFC 4760 section 4).
    pub const MP_UNREACH: u8 = 15;
    /// EXTENDED COMMUNITIES (RFC 4360 section 2).
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// AS4_PATH (RFC 6793 section 3).
    pub const AS4_PATH: u8 = 17;
    /// AS4_AGGREGATOR (RFC 6793 section 3).
    pub const AS4_AGGREGATOR: u8 = 18;
    /// IPv6 Address Specific EXTENDED COMMUNITIES (RFC 5701 section 2).
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    /// AIGP (RFC 7311 section 3).
    pub const AIGP: u8 = 26;
    /// LARGE_COMMUNITY (RFC 8092 section 3).
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// ONLY_TO_CUSTOMER (RFC 9234 section 5).
    pub const ONLY_TO_CUSTOMER: u8 = 35;
}

/// The Optional flag.
pub const OPTIONAL: u8 = 0x80;
/// The Transitive flag.
pub const TRANSITIVE: u8 = 0x40;
/// The Partial flag.
pub const PARTIAL: u8 = 0x20;
/// The Extended Length flag.
pub const EXTENDED_LENGTH: u8 = 0x10;

/// One attribute's line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Type code.
    pub kind: u8,
    /// Name in its RFC.
    pub name: &'static str,
    /// Its Optional and Transitive flags.
    pub flags: u8,
    /// Verdict on `Defect::Flags`.
    pub on_flags: Verdict,
    /// Verdict on `Defect::Length`.
    pub on_length: Verdict,
    /// Verdict on `Defect::Value`.
    pub on_value: Verdict,
    /// Verdict on `Defect::Repeated`; Discard leaves out all but the first.
    pub on_repeated: Verdict,
    /// Verdict on `Defect::Missing`; Discard where it may be missing.
    pub on_missing: Verdict,
    /// Whether it is discarded from an external peer, however it looks.
    pub internal_only: bool,
}

const fn row(kind: u8, name: &'static str, flags: u8, verdicts: [Verdict; 5], internal_only: bool) -> Row {
    let [on_flags, on_length, on_value, on_repeated, on_missing] = verdicts;
    Row {
        kind,
        name,
        flags,
        on_flags,
        on_length,
        on_value,
        on_repeated,
        on_missing,
        internal_only,
    }
}

const D: Verdict = Verdict::Discard;
const W: Verdict = Verdict::TreatAsWithdraw;
const R: Verdict = Verdict::Reset;
const WELL_KNOWN: u8 = TRANSITIVE;
const NON_TRANSITIVE: u8 = OPTIONAL;
const BOTH: u8 = OPTIONAL | TRANSITIVE;

/// The table: RFC 7606 sections 3 and 7, RFC 6793 section 6, RFC 7607 section 2, RFC 7311 section 3.2, RFC 8092 section 6, RFC 9234 section 5. By
/// type code.
///
/// A malformed value of MP_REACH_NLRI or MP_UNREACH_NLRI resets, as its prefixes can't be known (section 3 j); its next hop alone,
/// where it is no host's address, is `Defect::Value` of NEXT_HOP.
#[rustfmt::skip]
pub const TABLE: [Row; 19] = [
    //                                                                  flags length value repeated missing  internal only
    row(kind::ORIGIN, "ORIGIN", WELL_KNOWN,                             [W,    W,     W,    D,       W], false),
    row(kind::AS_PATH, "AS_PATH", WELL_KNOWN,                           [W,    W,     W,    D,       W], false),
    row(kind::NEXT_HOP, "NEXT_HOP", WELL_KNOWN,                         [W,    W,     W,    D,       W], false),
    row(kind::MED, "MULTI_EXIT_DISC", NON_TRANSITIVE,                   [W,    W,     W,    D,       D], false),
    row(kind::LOCAL_PREF, "LOCAL_PREF", WELL_KNOWN,                     [W,    W,     W,    D,       D], true),
    row(kind::ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE", WELL_KNOWN,         [W,    D,     D,    D,       D], false),
    row(kind::AGGREGATOR, "AGGREGATOR", BOTH,                           [W,    D,     D,    D,       D], false),
    row(kind::COMMUNITIES, "COMMUNITIES", BOTH,                         [W,    W,     W,    D,       D], false),
    row(kind::ORIGINATOR_ID, "ORIGINATOR_ID", NON_TRANSITIVE,           [W,    W,     W,    D,       D], true),
    row(kind::CLUSTER_LIST, "CLUSTER_LIST", NON_TRANSITIVE,             [W,    W,     W,    D,       D], true),
    row(kind::MP_REACH, "MP_REACH_NLRI", NON_TRANSITIVE,                [W,    R,     R,    R,       D], false),
    row(kind::MP_UNREACH, "MP_UNREACH_NLRI", NON_TRANSITIVE,            [W,    R,     R,    R,       D], false),
    row(kind::EXTENDED_COMMUNITIES, "EXTENDED COMMUNITIES", BOTH,       [W,    W,     W,    D,       D], false),
    row(kind::AS4_PATH, "AS4_PATH", BOTH,                               [W,    D,     D,    D,       D], false),
    row(kind::AS4_AGGREGATOR, "AS4_AGGREGATOR", BOTH,                   [W,    D,     D,    D,       D], false),
    row(kind::IPV6_EXTENDED_COMMUNITIES, "IPv6 EXTENDED COMMUNITIES", BOTH, [W, W,    W,    D,       D], false),
    row(kind::AIGP, "AIGP", NON_TRANSITIVE,                             [D,    D,     D,    D,       D], false),
    row(kind::LARGE_COMMUNITIES, "LARGE_COMMUNITY", BOTH,               [W,    W,     W,    D,       D], false),
    row(kind::ONLY_TO_CUSTOMER, "ONLY_TO_CUSTOMER", BOTH,               [W,    W,     W,    D,       D], false),
];

/// The table's line of this type code; None for a type we do not know.
pub fn row_of(kind: u8) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.kind == kind)
}

impl Row {
    /// What this defect of this attribute means.
    pub fn verdict(&self, defect: Defect) -> Verdict {
        match defect {
            Defect::Flags => self.on_flags,
            Defect::Length => self.on_length,
            Defect::Value => self.on_value,
            Defect::Repeated => self.on_repeated,
            Defect::Missing => self.on_missing,
            Defect::External => Verdict::Discard,
        }
    }
}
