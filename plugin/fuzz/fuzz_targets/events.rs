#![no_main]

#[path = "../events.rs"]
mod body;
#[allow(dead_code, unused_imports)]
#[path = "../../src/events/mod.rs"]
mod events;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
