//! A ROUTE-REFRESH of four octets is read and written; any other is 7/1 with the message (RFC 7313 section 5).

use dualhome_core::wire::refresh::{decode_route_refresh, encode_subtype};

/// The octets are its body.
pub fn run(data: &[u8]) {
    match decode_route_refresh(data) {
        Ok((afi, subtype, safi)) => assert_eq!(encode_subtype(afi, subtype, safi)[19..], *data),
        Err(error) => {
            assert!(data.len() != 4 && (error.code, error.subcode) == (7, 1));
            assert!(error.data.len() <= 4096 && data.starts_with(&error.data[19..]));
        }
    }
}
