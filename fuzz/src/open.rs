//! An OPEN that is let in says what RFC 4271 section 6.2 asks, and written anew says the same.

use dualhome_core::wire::open::{OpenOptions, decode_open, encode_open};

/// The octets are its body.
pub fn run(data: &[u8]) {
    let open = match decode_open(data) {
        Ok(open) => open,
        Err(error) => return assert_eq!(error.code, 2, "{error}"),
    };
    assert!(open.version == 4 && open.asn != 0 && open.my_as != 0 && !matches!(open.hold_time_s, 1 | 2));
    assert!(!open.router_id.is_unspecified() && !open.families.is_empty());
    let options = OpenOptions {
        asn: open.asn,
        hold_time_s: open.hold_time_s,
        router_id: open.router_id,
        families: open.families.clone(),
        four_octet_as: true,
        route_refresh: open.route_refresh,
        extended_message: open.extended_message,
        graceful_restart: false,
        more: open
            .capabilities
            .iter()
            .filter(|(code, _)| !matches!(code, 1 | 2 | 6 | 65))
            .cloned()
            .collect(),
    };
    let Some(written) = encode_open(&options) else { return };
    let again = decode_open(&written[19..]).expect("what is written is read");
    assert_eq!(
        (again.asn, again.hold_time_s, again.router_id),
        (open.asn, open.hold_time_s, open.router_id)
    );
    assert_eq!((&again.families, &again.graceful_restart), (&open.families, &open.graceful_restart));
    assert_eq!(
        (again.route_refresh, again.extended_message),
        (open.route_refresh, open.extended_message)
    );
}
