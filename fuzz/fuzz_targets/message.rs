//! What other systems send: whatever it is, no message is judged OK while none of its alerts lasts.
#![no_main]

use irctl::base::Verdict;
use irctl::severity::input::{AlertState, Format, classify_message, read};
use irctl::severity::{Scheme, shipped_scheme};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEME: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::compile(&shipped_scheme("protocol-25").unwrap().unwrap()).unwrap());

fuzz_target!(|text: &str| {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let now = "2026-11-20T03:00:00Z".parse().unwrap();
    for format in Format::NAMED {
        let Ok(message) = read(format, &value) else { continue };
        let found = classify_message(&SCHEME, message, now);
        let lasts = found.alerts.iter().any(|alert| matches!(alert.state, AlertState::Firing | AlertState::Acknowledged));
        assert!(lasts || found.verdict != Verdict::Ok);
    }
});
