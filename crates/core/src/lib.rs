pub mod attributes;
pub mod prefix;
