//! OPEN and its capabilities (RFC 4271 sections 4.2 and 6.2, RFC 5492, RFC 9072).

use std::net::Ipv4Addr;

use super::notification::{NotificationError, code};
use super::reader::Reader;
use super::{HEADER_LENGTH, MAX_MESSAGE, message, message_type};

/// Stands for an AS number that needs four octets where there are two (RFC 6793 section 9).
pub const AS_TRANS: u16 = 23456;

/// Capability codes.
pub mod capability {
    /// Multiprotocol Extensions (RFC 4760 section 8).
    pub const MULTIPROTOCOL: u8 = 1;
    /// Route Refresh (RFC 2918 section 2).
    pub const ROUTE_REFRESH: u8 = 2;
    /// Extended Message (RFC 8654 section 3).
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// Graceful Restart (RFC 4724 section 3).
    pub const GRACEFUL_RESTART: u8 = 64;
    /// Four-octet AS numbers (RFC 6793 section 3).
    pub const FOUR_OCTET_AS: u8 = 65;
}

const PARAMETER_CAPABILITIES: u8 = 2;
const PARAMETER_EXTENDED: u8 = 255;

/// The Graceful Restart capability (RFC 4724 section 3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GracefulRestart {
    /// The four Restart Flags; 8 is "has restarted".
    pub flags: u8,
    /// Restart Time in seconds.
    pub time_s: u16,
    /// (AFI, SAFI, flags) whose forwarding state may be kept.
    pub families: Vec<(u16, u8, u8)>,
}

/// A decoded OPEN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// Always 4.
    pub version: u8,
    /// The speaker's AS number: the four-octet one where it is given.
    pub asn: u32,
    /// My Autonomous System as sent.
    pub my_as: u16,
    /// Hold Time offered, in seconds.
    pub hold_time_s: u16,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Whether the four-octet AS capability is there.
    pub four_octet_as: bool,
    /// Whether the Route Refresh capability is there.
    pub route_refresh: bool,
    /// Whether the Extended Message capability is there.
    pub extended_message: bool,
    /// (AFI, SAFI) in the order of the message; IPv4 unicast where it names none (RFC 4760 section 8).
    pub families: Vec<(u16, u8)>,
    /// The Graceful Restart capability.
    pub graceful_restart: Option<GracefulRestart>,
    /// All capabilities as sent, (code, value).
    pub capabilities: Vec<(u8, Vec<u8>)>,
}

/// Judge and read the body of an OPEN (RFC 4271 section 6.2).
pub fn decode_open(body: &[u8]) -> Result<Open, NotificationError> {
    let short = || wrong(code::OPEN_UNSPECIFIC, "OPEN is shorter than its fields");
    let mut reader = Reader::new(body);
    let version = reader.u8().ok_or_else(short)?;
    if version != 4 {
        return Err(NotificationError::new(
            code::OPEN,
            code::BAD_VERSION,
            [0, 4],
            format!("BGP version {version} instead of 4"),
        ));
    }
    let my_as = reader.u16().ok_or_else(short)?;
    let hold_time_s = reader.u16().ok_or_else(short)?;
    let router_id = Ipv4Addr::from(reader.u32().ok_or_else(short)?);
    let capabilities = parameters(reader)?;

    let mut open = Open {
        version,
        asn: u32::from(my_as),
        my_as,
        hold_time_s,
        router_id,
        four_octet_as: false,
        route_refresh: false,
        extended_message: false,
        families: Vec::new(),
        graceful_restart: None,
        capabilities: Vec::new(),
    };
    for (code, value) in &capabilities {
        note(&mut open, *code, value).ok_or_else(|| {
            wrong(
                code::OPEN_UNSPECIFIC,
                format!("capability {code} has a wrong length of {}", value.len()),
            )
        })?;
    }
    open.capabilities = capabilities;
    if open.families.is_empty() {
        open.families.push((1, 1));
    }
    // AS 0 is refused by RFC 7607 section 2 too.
    if my_as == 0 || open.asn == 0 {
        return Err(wrong(code::BAD_PEER_AS, "AS number 0"));
    }
    if matches!(hold_time_s, 1 | 2) {
        return Err(wrong(
            code::BAD_HOLD_TIME,
            format!("hold time of {hold_time_s} s (0, or 3 and more, are allowed)"),
        ));
    }
    if router_id.is_unspecified() {
        return Err(wrong(code::BAD_IDENTIFIER, "BGP Identifier 0.0.0.0"));
    }
    Ok(open)
}

fn wrong(subcode: u8, reason: impl Into<String>) -> NotificationError {
    NotificationError::new(code::OPEN, subcode, [], reason)
}

/// The capabilities in the optional parameters (RFC 4271 section 4.2, RFC 5492 section 4, RFC 9072 section 2).
fn parameters(mut reader: Reader<'_>) -> Result<Vec<(u8, Vec<u8>)>, NotificationError> {
    let short = || wrong(code::OPEN_UNSPECIFIC, "optional parameters do not fill their length");
    let mut length = usize::from(reader.u8().ok_or_else(short)?);
    let extended = length != 0 && reader.rest().first() == Some(&PARAMETER_EXTENDED);
    if extended {
        reader.u8();
        length = usize::from(reader.u16().ok_or_else(short)?);
    }
    if reader.rest().len() != length {
        return Err(short());
    }
    let mut capabilities = Vec::new();
    while let Some(kind) = reader.u8() {
        let length = if extended {
            reader.u16().map(usize::from)
        } else {
            reader.u8().map(usize::from)
        };
        let value = length.and_then(|n| reader.take(n)).ok_or_else(short)?;
        if kind != PARAMETER_CAPABILITIES {
            return Err(wrong(code::BAD_PARAMETER, format!("unsupported optional parameter {kind}")));
        }
        let mut value = Reader::new(value);
        while let Some(code) = value.u8() {
            let octets = value.u8().and_then(|n| value.take(usize::from(n)));
            capabilities.push((code, octets.ok_or_else(short)?.to_vec()));
        }
    }
    Ok(capabilities)
}

/// Read one capability into the message; None where its length is wrong.
fn note(open: &mut Open, code: u8, value: &[u8]) -> Option<()> {
    match (code, value) {
        (capability::MULTIPROTOCOL, [high, low, _, safi]) => {
            let family = (u16::from_be_bytes([*high, *low]), *safi);
            if !open.families.contains(&family) {
                open.families.push(family);
            }
        }
        (capability::ROUTE_REFRESH, []) => open.route_refresh = true,
        (capability::EXTENDED_MESSAGE, []) => open.extended_message = true,
        (capability::FOUR_OCTET_AS, value) => {
            open.asn = u32::from_be_bytes(value.try_into().ok()?);
            open.four_octet_as = true;
        }
        (capability::GRACEFUL_RESTART, [high, low, families @ ..]) if families.len().is_multiple_of(4) => {
            let field = u16::from_be_bytes([*high, *low]);
            let family = |f: &[u8]| (u16::from_be_bytes([f[0], f[1]]), f[2], f[3]);
            open.graceful_restart = Some(GracefulRestart {
                flags: (field >> 12) as u8,
                time_s: field & 0x0FFF,
                families: families.chunks_exact(4).map(family).collect(),
            });
        }
        (capability::MULTIPROTOCOL | capability::ROUTE_REFRESH | capability::EXTENDED_MESSAGE | capability::GRACEFUL_RESTART, _) => {
            return None;
        }
        _ => {}
    }
    Some(())
}

/// What an OPEN is to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenOptions {
    /// Our AS number.
    pub asn: u32,
    /// Hold Time offered, in seconds.
    pub hold_time_s: u16,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// (AFI, SAFI) to be named.
    pub families: Vec<(u16, u8)>,
    /// Name the four-octet AS capability.
    pub four_octet_as: bool,
    /// Name the Route Refresh capability.
    pub route_refresh: bool,
    /// Name the Extended Message capability.
    pub extended_message: bool,
    /// Name Graceful Restart with time 0 and no families: End-of-RIB will be sent (RFC 4724 section 4).
    pub graceful_restart: bool,
    /// Further capabilities, (code, value of at most 255 octets).
    pub more: Vec<(u8, Vec<u8>)>,
}

/// A whole OPEN; None where so many families do not fit in 4096 octets.
///
/// Capabilities stand in one optional parameter; the lengths become those of RFC 9072 where one octet does not hold them.
pub fn encode_open(options: &OpenOptions) -> Option<Vec<u8>> {
    let mut capabilities = Vec::new();
    let mut add = |code: u8, value: &[u8]| {
        capabilities.extend_from_slice(&[code, value.len() as u8]);
        capabilities.extend_from_slice(value);
    };
    for (afi, safi) in &options.families {
        let [high, low] = afi.to_be_bytes();
        add(capability::MULTIPROTOCOL, &[high, low, 0, *safi]);
    }
    if options.route_refresh {
        add(capability::ROUTE_REFRESH, &[]);
    }
    if options.extended_message {
        add(capability::EXTENDED_MESSAGE, &[]);
    }
    if options.graceful_restart {
        add(capability::GRACEFUL_RESTART, &[0, 0]);
    }
    for (code, value) in options.more.iter().filter(|(_, value)| value.len() < 256) {
        add(*code, value);
    }
    if options.four_octet_as {
        add(capability::FOUR_OCTET_AS, &options.asn.to_be_bytes());
    }

    let mut body = vec![4];
    body.extend(u16::try_from(options.asn).unwrap_or(AS_TRANS).to_be_bytes());
    body.extend(options.hold_time_s.to_be_bytes());
    body.extend(options.router_id.octets());
    match u8::try_from(capabilities.len()) {
        Ok(0) => body.push(0),
        Ok(length @ ..=253) => body.extend([length + 2, PARAMETER_CAPABILITIES, length]),
        _ => {
            let length = u16::try_from(capabilities.len()).ok()?;
            body.extend([255, PARAMETER_EXTENDED]);
            body.extend(length.checked_add(3)?.to_be_bytes());
            body.push(PARAMETER_CAPABILITIES);
            body.extend(length.to_be_bytes());
        }
    }
    body.extend(capabilities);
    (body.len() <= MAX_MESSAGE - HEADER_LENGTH).then(|| message(message_type::OPEN, &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options() -> OpenOptions {
        OpenOptions {
            asn: 4_200_000_001,
            hold_time_s: 90,
            router_id: Ipv4Addr::new(10, 0, 0, 1),
            families: vec![(1, 1), (2, 1)],
            four_octet_as: true,
            route_refresh: true,
            extended_message: true,
            graceful_restart: true,
            more: Vec::new(),
        }
    }

    /// Version, AS 65001, hold time 90, 10.0.0.1, then these.
    fn body(parameters: &[u8]) -> Vec<u8> {
        [&[4, 0xFD, 0xE9, 0, 90, 10, 0, 0, 1], parameters].concat()
    }

    #[test]
    fn an_open_is_written() {
        let bytes = encode_open(&options()).unwrap();
        let expected = [
            0, 57, 1, // length, OPEN
            4, 0x5B, 0xA0, 0, 90, 10, 0, 0, 1, // version, AS_TRANS, hold time, identifier
            28, 2, 26, // one parameter
            1, 4, 0, 1, 0, 1, // IPv4 unicast
            1, 4, 0, 2, 0, 1, // IPv6 unicast
            2, 0, 6, 0, 64, 2, 0, 0, // route refresh, extended message, graceful restart
            65, 4, 0xFA, 0x56, 0xEA, 0x01, // 4200000001
        ];
        assert_eq!(bytes[16..], expected);
    }

    #[test]
    fn an_open_without_capabilities_is_of_1995() {
        let open = decode_open(&body(&[0])).unwrap();
        assert_eq!(
            (open.asn, open.hold_time_s, open.router_id),
            (65001, 90, Ipv4Addr::new(10, 0, 0, 1))
        );
        assert_eq!(open.families, [(1, 1)]);
        assert!(!open.four_octet_as && !open.route_refresh && !open.extended_message);
    }

    #[test]
    fn capabilities_in_one_or_many_or_extended_parameters_are_the_same() {
        let one = decode_open(&body(&[10, 2, 8, 2, 0, 65, 4, 0, 0, 0xFD, 0xE9])).unwrap();
        let many = decode_open(&body(&[12, 2, 2, 2, 0, 2, 6, 65, 4, 0, 0, 0xFD, 0xE9])).unwrap();
        let extended = decode_open(&body(&[255, 255, 0, 11, 2, 0, 8, 2, 0, 65, 4, 0, 0, 0xFD, 0xE9])).unwrap();
        assert_eq!(one, many);
        assert_eq!(one, extended);
        assert!(one.four_octet_as && one.route_refresh);
    }

    #[test]
    fn graceful_restart_and_unknown_capabilities_are_kept() {
        let open = decode_open(&body(&[13, 2, 11, 64, 6, 0x80, 120, 0, 1, 1, 0x80, 200, 1, 7])).unwrap();
        let expected = GracefulRestart {
            flags: 8,
            time_s: 120,
            families: vec![(1, 1, 0x80)],
        };
        assert_eq!(open.graceful_restart, Some(expected));
        assert_eq!(open.capabilities[1], (200, vec![7]));
    }

    #[test]
    fn opens_are_judged_by_section_6_2() {
        let mut table: Vec<(Vec<u8>, u8)> = vec![
            (vec![], 0),
            (body(&[]), 0),
            (body(&[1]), 0),
            (body(&[2, 2, 1]), 0),
            (body(&[3, 2, 1, 2]), 0),
            (body(&[0, 0]), 0),
            (body(&[2, 1, 0]), 4),
            (body(&[7, 2, 5, 65, 3, 0, 0, 1]), 0),
            (body(&[8, 2, 6, 65, 4, 0, 0, 0, 0]), 2),
            (body(&[5, 2, 3, 2, 1, 0]), 0),
            (body(&[255, 255, 0]), 0),
        ];
        for (at, value, subcode) in [(0, 3, 1), (4, 1, 6), (4, 2, 6)] {
            let mut bytes = body(&[0]);
            bytes[at] = value;
            table.push((bytes, subcode));
        }
        table.push((vec![4, 0, 0, 0, 90, 10, 0, 0, 1, 0], 2));
        table.push((vec![4, 0, 1, 0, 90, 0, 0, 0, 0, 0], 3));
        for (bytes, subcode) in table {
            let error = decode_open(&bytes).unwrap_err();
            assert_eq!((error.code, error.subcode), (2, subcode), "{bytes:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            asn in 1u32..,
            hold_time_s in prop_oneof![Just(0u16), 3u16..],
            id in 1u32..,
            families in proptest::collection::hash_set((any::<u16>(), any::<u8>()), 1..100),
            flags in any::<[bool; 3]>(),
        ) {
            let options = OpenOptions {
                asn,
                hold_time_s,
                router_id: id.into(),
                families: families.into_iter().collect(),
                four_octet_as: true,
                route_refresh: flags[0],
                extended_message: flags[1],
                graceful_restart: flags[2],
                more: Vec::new(),
            };
            let open = decode_open(&encode_open(&options).unwrap()[19..]).unwrap();
            let again = OpenOptions {
                asn: open.asn,
                hold_time_s: open.hold_time_s,
                router_id: open.router_id,
                families: open.families,
                four_octet_as: open.four_octet_as,
                route_refresh: open.route_refresh,
                extended_message: open.extended_message,
                graceful_restart: open.graceful_restart.is_some(),
                more: Vec::new(),
            };
            prop_assert_eq!(again, options);
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_open(&bytes);
            let _ = decode_open(&[&[4, 0, 1, 0, 90, 1, 1, 1, 1, bytes.len() as u8], &bytes[..]].concat());
        }
    }
}
