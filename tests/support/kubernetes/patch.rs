//! The three kinds of patches: RFC 7396, RFC 6902, and Kubernetes' strategic merge.

use serde_json::{Map, Value};

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The key by which the items of a list are told apart; none for lists that are replaced as a whole.
fn merge_key(path: &[String]) -> Option<&'static str> {
    let (last, before) = path.split_last()?;
    let inside_container = before.iter().any(|part| part == "containers" || part == "initContainers");
    match last.as_str() {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => {
            Some("name")
        }
        "volumeMounts" => Some("mountPath"),
        "ports" if inside_container => Some("containerPort"),
        "ports" => Some("port"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

/// Kubernetes' strategic merge.
pub fn strategic(target: &mut Value, patch: &Value) -> Result<(), String> {
    strategic_at(target, patch, &mut Vec::new())
}

fn strategic_at(target: &mut Value, patch: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let mut whole = patch.clone();
            whole.remove("$patch");
            *target = Value::Object(whole);
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(format!("unknown $patch directive: {other}")),
        None => {}
    }
    let map = target.as_object_mut().unwrap();
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keep.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if key.starts_with("$setElementOrder/") || key == "$retainKeys" {
            continue;
        }
        if key.starts_with('$') {
            return Err(format!("unknown directive: {key}"));
        }
        path.push(key.clone());
        match (value, merge_key(path)) {
            (Value::Null, _) => drop(map.remove(key)),
            (Value::Array(items), Some(by)) => {
                let list = map.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                strategic_list(list, items, by, path)?;
            }
            _ => strategic_at(map.entry(key.clone()).or_insert(Value::Null), value, path)?,
        }
        path.pop();
    }
    Ok(())
}

fn strategic_list(list: &mut Value, items: &[Value], by: &str, path: &mut Vec<String>) -> Result<(), String> {
    let list = list.as_array_mut().ok_or("a list is patched into what is none")?;
    if items.iter().any(|item| item["$patch"] == "replace") {
        *list = items.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
        return Ok(());
    }
    for item in items {
        let key =
            item.get(by).ok_or_else(|| format!("map: {item} does not contain declared merge key: {by}"))?;
        let at = list.iter().position(|there| there.get(by) == Some(key));
        match (item["$patch"] == "delete", at) {
            (true, Some(at)) => drop(list.remove(at)),
            (true, None) => {}
            (false, Some(at)) => strategic_at(&mut list[at], item, path)?,
            (false, None) => list.push(item.clone()),
        }
    }
    Ok(())
}

/// RFC 6902.
pub fn json(target: &mut Value, operations: &Value) -> Result<(), String> {
    let list = operations.as_array().ok_or("a JSON patch is a list")?;
    for operation in list {
        let text = |key: &str| operation.get(key).and_then(Value::as_str);
        let (op, path) = (text("op").ok_or("no op")?, text("path").ok_or("no path")?);
        let value = || operation.get("value").cloned().ok_or_else(|| format!("{op} without value"));
        match op {
            "test" => {
                if target.pointer(path) != Some(&value()?) {
                    return Err(format!("testing path {path}: test failed"));
                }
            }
            "replace" => *target.pointer_mut(path).ok_or_else(|| missing(op, path))? = value()?,
            "add" => insert(target, path, value()?)?,
            "remove" => drop(take(target, path)?),
            "move" | "copy" => {
                let from = text("from").ok_or("no from")?;
                let moved = match op {
                    "move" => take(target, from)?,
                    _ => target.pointer(from).cloned().ok_or_else(|| missing(op, from))?,
                };
                insert(target, path, moved)?;
            }
            other => return Err(format!("unexpected kind of operation: {other}")),
        }
    }
    Ok(())
}

fn missing(op: &str, path: &str) -> String {
    format!("{op} operation does not apply: doc is missing path: {path}")
}

fn parent<'t>(target: &'t mut Value, path: &str, op: &str) -> Result<(&'t mut Value, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing(op, path))?;
    let parent = target.pointer_mut(parent).ok_or_else(|| missing(op, path))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, last) = parent(target, path, "add")?;
    match parent {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at: usize = last.parse().map_err(|_| missing("add", path))?;
            if at > list.len() {
                return Err(missing("add", path));
            }
            list.insert(at, value);
        }
        _ => return Err(missing("add", path)),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = parent(target, path, "remove")?;
    match parent {
        Value::Object(map) => map.remove(&last).ok_or_else(|| missing("remove", path)),
        Value::Array(list) => {
            let at = last.parse().ok().filter(|at: &usize| *at < list.len());
            at.map(|at| list.remove(at)).ok_or_else(|| missing("remove", path))
        }
        _ => Err(missing("remove", path)),
    }
}
