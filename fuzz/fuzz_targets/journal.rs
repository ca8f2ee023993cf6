//! Journals as a crash, or somebody's editor, may leave them.
#![no_main]

use irctl::base::Digest;
use irctl::operation::{Progress, Record, journal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let records: Vec<Record> =
        data.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let progress = Progress::of(&records);
    let _ = (progress.is_open(), progress.is_running());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, data).unwrap();
    let _ = journal::read(&path, &Digest::of(b"plan"));
});
