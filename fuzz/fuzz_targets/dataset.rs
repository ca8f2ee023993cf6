//! Tables of any bytes: CSV, Parquet, JSON lines, or a reason why not.
#![no_main]

use irctl::probe::{self, ProbeConfig, Request, VersionMap};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table"), data).unwrap();
    let config: ProbeConfig = serde_json::from_value(serde_json::json!({"table": {
        "file": "table", "nulls": {"columns": ["mean"]}, "range": [{"columns": ["*"], "low": 0, "high": 1}],
        "freshness": {"column": "date"},
    }}))
    .unwrap();
    let versions = VersionMap::default();
    let now = chrono::DateTime::UNIX_EPOCH;
    let request =
        Request { service: "fuzz", root: folder.path(), now, versions: &versions, untrusted: true };
    let _ = probe::measure_all(&BTreeMap::from([("t".to_owned(), config)]), &request);
});
