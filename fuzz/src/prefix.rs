//! A text that is a prefix is the prefix of its own text.

use dualhome_core::prefix::{Prefix, width};

/// The octets are the text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Prefix>() {
        Ok(prefix) => {
            assert!(prefix.length <= width(prefix.version) && prefix == Prefix::new(prefix.version, prefix.bits, prefix.length));
            assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
