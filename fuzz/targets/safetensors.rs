#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attractor_fuzz::run("safetensors", bytes));
