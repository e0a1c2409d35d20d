//! NOTIFICATION (RFC 4271 section 4.5), and the errors that are answered with one.

use std::fmt;

use super::{MAX_MESSAGE, message, message_type};

/// Error codes and subcodes (RFC 4271 section 4.5, RFC 7313 section 5).
pub mod code {
    /// Message Header Error.
    pub const HEADER: u8 = 1;
    /// OPEN Message Error.
    pub const OPEN: u8 = 2;
    /// UPDATE Message Error.
    pub const UPDATE: u8 = 3;
    /// Cease.
    pub const CEASE: u8 = 6;
    /// ROUTE-REFRESH Message Error.
    pub const ROUTE_REFRESH: u8 = 7;

    /// 1/1: Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// 1/2: Bad Message Length.
    pub const BAD_LENGTH: u8 = 2;
    /// 1/3: Bad Message Type.
    pub const BAD_TYPE: u8 = 3;

    /// 2/0: an OPEN that is malformed in a way without a subcode.
    pub const OPEN_UNSPECIFIC: u8 = 0;
    /// 2/1: Unsupported Version Number.
    pub const BAD_VERSION: u8 = 1;
    /// 2/2: Bad Peer AS.
    pub const BAD_PEER_AS: u8 = 2;
    /// 2/3: Bad BGP Identifier.
    pub const BAD_IDENTIFIER: u8 = 3;
    /// 2/4: Unsupported Optional Parameter.
    pub const BAD_PARAMETER: u8 = 4;
    /// 2/6: Unacceptable Hold Time.
    pub const BAD_HOLD_TIME: u8 = 6;

    /// 3/1: Malformed Attribute List.
    pub const MALFORMED_LIST: u8 = 1;
    /// 3/2: Unrecognized Well-known Attribute.
    pub const UNKNOWN_WELL_KNOWN: u8 = 2;
    /// 3/9: Optional Attribute Error.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// 3/10: Invalid Network Field.
    pub const INVALID_NETWORK: u8 = 10;

    /// 7/1: Invalid Message Length.
    pub const REFRESH_LENGTH: u8 = 1;
}

/// What the peer sent ends the session: the NOTIFICATION that says so, and why in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationError {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Data field.
    pub data: Vec<u8>,
    /// What was found, for people.
    pub reason: String,
}

impl NotificationError {
    /// With data.
    pub fn new(code: u8, subcode: u8, data: impl Into<Vec<u8>>, reason: impl Into<String>) -> Self {
        Self {
            code,
            subcode,
            data: data.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for NotificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (NOTIFICATION {}/{})", self.reason, self.code, self.subcode)
    }
}

impl std::error::Error for NotificationError {}

/// A whole NOTIFICATION; data that would make it longer than 4096 octets is cut.
pub fn encode_notification(code: u8, subcode: u8, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(MAX_MESSAGE - 21)];
    message(message_type::NOTIFICATION, &[&[code, subcode], data].concat())
}

/// Code, subcode and data of a NOTIFICATION's body; 1/2 where it is too short for them.
pub fn decode_notification(body: &[u8]) -> Result<(u8, u8, &[u8]), NotificationError> {
    match body {
        [code, subcode, data @ ..] => Ok((*code, *subcode, data)),
        _ => Err(NotificationError::new(
            code::HEADER,
            code::BAD_LENGTH,
            ((super::HEADER_LENGTH + body.len()) as u16).to_be_bytes(),
            "NOTIFICATION shorter than 21 octets",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_written_and_read() {
        let bytes = encode_notification(6, 2, b"bye");
        assert_eq!(bytes[..16], [0xFF; 16]);
        assert_eq!(bytes[16..], [0, 24, 3, 6, 2, b'b', b'y', b'e']);
        assert_eq!(decode_notification(&bytes[19..]), Ok((6, 2, &b"bye"[..])));
        assert_eq!(encode_notification(1, 1, &[0; 5000]).len(), 4096);
        let error = decode_notification(&[6]).unwrap_err();
        assert_eq!((error.code, error.subcode, error.data), (1, 2, vec![0, 20]));
    }
}
