//! Compare before set: which of before, after or something else is in place.

use serde_json::Value;

use super::contract::Request;
use crate::base::{Error, ErrorCode, Result};

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What was.
    Before,
    /// What is to be, or was made.
    After,
}

/// For `apply`: `Before` when it is to be done, `After` when it is done already.
///
/// # Errors
/// `drifted` for anything else.
pub fn apply(adapter: &str, request: &Request, current: &Value) -> Result<Standing> {
    if request.after.as_ref() == Some(current) {
        return Ok(Standing::After);
    }
    match &request.before {
        Some(before) if before == current => Ok(Standing::Before),
        Some(before) => Err(drifted(adapter, before, current)),
        None => Err(Error::new(ErrorCode::InvalidData, format!("{adapter}: apply needs the state before"))),
    }
}

/// For `undo`: `After` when it is to be undone, `Before` when it is undone already. Without a known `after` anything
/// that is not as before is taken for what apply made.
///
/// # Errors
/// `drifted` for a third state.
pub fn undo(adapter: &str, request: &Request, current: &Value) -> Result<Standing> {
    let Some(before) = &request.before else {
        return Err(Error::new(ErrorCode::InvalidData, format!("{adapter}: undo needs the state before")));
    };
    if before == current {
        return Ok(Standing::Before);
    }
    match &request.after {
        None | Some(Value::Null) => Ok(Standing::After),
        Some(after) if after == current => Ok(Standing::After),
        Some(after) => Err(drifted(adapter, after, current)),
    }
}

/// Whether each part of a state is as before or as after: what a try that died half-way leaves.
pub fn between(request: &Request, current: &Value) -> bool {
    match (&request.before, &request.after) {
        (Some(before), Some(after)) => parts(current, before, after),
        _ => false,
    }
}

fn parts(now: &Value, before: &Value, after: &Value) -> bool {
    if now == before || now == after {
        return true;
    }
    let (Some(now), Some(before), Some(after)) = (now.as_object(), before.as_object(), after.as_object())
    else {
        return false;
    };
    now.len() == before.len()
        && now.iter().all(|(name, now)| match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => parts(now, before, after),
            _ => false,
        })
}

/// The refusal to write over somebody else's change.
pub fn drifted(adapter: &str, expected: &Value, current: &Value) -> Error {
    let why = format!(
        "{adapter}: somebody else changed it since: {} is in place, not {}",
        short(current),
        short(expected)
    );
    Error::new(ErrorCode::Drifted, why).hint("look at what they did, then plan again")
}

/// A state in one line of moderate length.
pub fn short(state: &Value) -> String {
    let text = state.to_string();
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::adapters::testing::request;
    use serde_json::json;

    #[test]
    fn half_of_it_is_ours_and_a_third_value_is_not() {
        let mut request = request(json!({}));
        request.before = Some(json!({"a": {"runs": true}, "b": {"runs": false}}));
        request.after = Some(json!({"a": {"runs": false}, "b": {"runs": true}}));
        assert!(between(&request, &json!({"a": {"runs": false}, "b": {"runs": false}})));
        assert!(!between(&request, &json!({"a": {"runs": 7}, "b": {"runs": false}})));
        assert!(!between(&request, &json!({"a": {"runs": false}})));
    }

    #[test]
    fn a_third_state_is_refused_both_ways() {
        let mut request = request(json!({}));
        request.before = Some(json!(1));
        request.after = Some(json!(2));
        assert_eq!(apply("a", &request, &json!(1)).unwrap(), Standing::Before);
        assert_eq!(apply("a", &request, &json!(2)).unwrap(), Standing::After);
        assert_eq!(apply("a", &request, &json!(3)).unwrap_err().code, ErrorCode::Drifted);
        assert_eq!(undo("a", &request, &json!(1)).unwrap(), Standing::Before);
        assert_eq!(undo("a", &request, &json!(2)).unwrap(), Standing::After);
        assert_eq!(undo("a", &request, &json!(3)).unwrap_err().code, ErrorCode::Drifted);
        request.after = Some(Value::Null);
        assert_eq!(undo("a", &request, &json!(3)).unwrap(), Standing::After);
    }
}
