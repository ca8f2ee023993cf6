//! The one door to editing YAML and JSON text.

use serde_json::Value;
use std::path::Path;

use crate::base::{Error, ErrorCode, Result};

/// The value of a dotted key, if it is there.
pub fn get(path: &Path, text: &str, key: &str) -> Result<Option<Value>> {
    let root: Value = serde_yaml::from_str(text).map_err(|error| {
        Error::new(ErrorCode::InvalidData, format!("{} cannot be read: {error}", path.display()))
    })?;
    Ok(key.split('.').try_fold(&root, |value, part| value.get(part)).cloned())
}

/// The text with a dotted key set to another value.
pub fn set(path: &Path, text: &str, key: &str, value: &Value) -> Result<String> {
    let shown = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let parts: Vec<_> = key.split('.').collect();
    let mut depth = 0;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let indent = (line.len() - trimmed.len()) / 2;
        let wanted = parts.get(depth).map(|part| format!("{part}:"));
        if indent < depth {
            depth = indent;
        }
        match wanted.filter(|wanted| indent == depth && trimmed.starts_with(wanted.as_str())) {
            Some(wanted) if depth + 1 == parts.len() => {
                let rest = trimmed.get(wanted.len()..).unwrap_or_default();
                let comment = rest.find(" #").map_or("\n", |at| rest.get(at..).unwrap_or("\n"));
                let comment = if comment == "\n" { "\n".to_owned() } else { format!("  {comment}") };
                out.push_str(&format!("{}{wanted} {shown}{comment}", "  ".repeat(indent)));
                depth = usize::MAX - 1;
                continue;
            }
            Some(_) => depth += 1,
            None => {}
        }
        out.push_str(line);
    }
    let _ = path;
    Ok(out)
}
