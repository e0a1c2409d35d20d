//! A NOTIFICATION that is read, written again, is the same octets.

use dualhome_core::wire::notification::{decode_notification, encode_notification};

/// The octets are its body.
pub fn run(data: &[u8]) {
    match decode_notification(data) {
        Ok((code, subcode, rest)) => {
            let written = encode_notification(code, subcode, rest);
            assert!(written.len() <= 4096);
            assert!(data.starts_with(&written[19..]), "only its end may be cut");
            assert!(data.len() > 4096 - 19 || written[19..] == *data);
        }
        Err(error) => assert!(data.len() < 2 && (error.code, error.subcode) == (1, 2)),
    }
}
