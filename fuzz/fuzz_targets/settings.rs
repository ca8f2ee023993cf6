//! Editing one key: either refused, or the key has the value afterwards.
#![no_main]

use irctl::rollback::settings_edit::{Format, get, set};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &str, &str)| {
    let (kind, path, value, text) = input;
    let format = match kind % 4 {
        0 => Format::Yaml,
        1 => Format::Json,
        2 => Format::Toml,
        _ => Format::Env,
    };
    let _ = get(format, text, path);
    let value = serde_json::Value::from(value);
    if let Ok(changed) = set(format, text, &[(path, value.clone())]) {
        assert_eq!(get(format, &changed, path).unwrap(), Some(value));
    }
});
