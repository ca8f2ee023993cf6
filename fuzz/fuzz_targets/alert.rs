//! Alerts of any shape, one and many: classified or refused.
#![no_main]

use irctl::severity::{Alert, Evidence, Scheme, classify, shipped_scheme};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEME: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::compile(&shipped_scheme("protocol-25").unwrap().unwrap()).unwrap());

fuzz_target!(|text: &str| {
    let Ok(alert) = serde_json::from_str::<Alert>(text) else { return };
    let classification = classify(&SCHEME, &Evidence::from_alert(&alert));
    serde_json::to_string(&classification).unwrap();
});
