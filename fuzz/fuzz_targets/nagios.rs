//! The output of monitoring plugins.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| irctl::probe::command::fuzz_performance_data(text));
