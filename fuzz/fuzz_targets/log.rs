//! Logs and reports of tests of any bytes: counts, or a reason why not.
#![no_main]

use irctl::probe::{self, ProbeConfig, Request, VersionMap};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), data).unwrap();
    let versions = VersionMap::default();
    let now = chrono::DateTime::from_timestamp(1_795_143_600, 0).unwrap();
    let request =
        Request { service: "fuzz", root: folder.path(), now, versions: &versions, untrusted: true };
    let probe = |config: serde_json::Value| -> ProbeConfig { serde_json::from_value(config).unwrap() };
    let probes = [
        probe(serde_json::json!({"log": {"file": "log", "sparse": true, "count": {"e": "error"}}})),
        probe(serde_json::json!({"log": {"file": "log", "time_format": "%b %e %T", "timezone": "Europe/Berlin"}})),
        probe(serde_json::json!({"parity": {"of": {"log": {"file": "log", "failures": ["x"]}}, "window": "1h"}})),
    ];
    let probes = probes.into_iter().enumerate().map(|(number, probe)| (format!("p{number}"), probe));
    let _ = probe::measure_all(&probes.collect::<BTreeMap<_, _>>(), &request);
});
