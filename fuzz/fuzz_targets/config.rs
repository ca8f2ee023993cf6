//! Every kind of configuration file, from any bytes: a report, rendered, with places inside the text.
#![no_main]

use irctl::config::{Kind, check_bytes, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(*first) % Kind::ALL.len()];
    let _ = render(&check_bytes(kind, "fuzz.yaml", text), false);
});
