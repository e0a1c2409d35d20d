//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use super::notification::{NotificationError, code};
use super::{message, message_type};

/// A whole ROUTE-REFRESH: send me all of this family again (RFC 2918 section 3).
pub fn encode_route_refresh(afi: u16, safi: u8) -> Vec<u8> {
    encode_subtype(afi, NORMAL, safi)
}

/// Send me all again.
pub const NORMAL: u8 = 0;
/// All comes again from here on (RFC 7313 section 3.2).
pub const BEGIN: u8 = 1;
/// All came again.
pub const END: u8 = 2;

/// A whole ROUTE-REFRESH of one of these subtypes.
pub fn encode_subtype(afi: u16, subtype: u8, safi: u8) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    message(message_type::ROUTE_REFRESH, &[high, low, subtype, safi])
}

/// (AFI, subtype, SAFI) of a ROUTE-REFRESH's body; 7/1 with the whole message where its length is wrong (RFC 7313 section 5).
pub fn decode_route_refresh(body: &[u8]) -> Result<(u16, u8, u8), NotificationError> {
    match body {
        [high, low, subtype, safi] => Ok((u16::from_be_bytes([*high, *low]), *subtype, *safi)),
        _ => Err(NotificationError::new(
            code::ROUTE_REFRESH,
            code::REFRESH_LENGTH,
            message(
                message_type::ROUTE_REFRESH,
                &body[..body.len().min(super::MAX_MESSAGE - super::HEADER_LENGTH)],
            ),
            format!("ROUTE-REFRESH of {} octets after its header instead of 4", body.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_written_and_read() {
        let bytes = encode_route_refresh(2, 1);
        assert_eq!(bytes[16..], [0, 23, 5, 0, 2, 0, 1]);
        assert_eq!(decode_route_refresh(&bytes[19..]), Ok((2, 0, 1)));
    }

    #[test]
    fn a_wrong_length_is_7_1_with_the_message() {
        let error = decode_route_refresh(&[0, 1, 0]).unwrap_err();
        assert_eq!((error.code, error.subcode), (7, 1));
        assert_eq!(error.data[16..], [0, 22, 5, 0, 1, 0]);
    }
}
