#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dualhome_fuzz::open::run(data));
