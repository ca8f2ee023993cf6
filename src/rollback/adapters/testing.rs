//! What the unit tests of the adapters share.

use serde_json::Value;

use super::contract::{CONTRACT, Request, Verb};

/// A request with these parameters.
pub fn request(with: Value) -> Request {
    Request {
        contract: CONTRACT,
        verb: Verb::Observe,
        service: "rila_6y20b".to_owned(),
        root: std::path::PathBuf::from("/"),
        operation: Some("OP-20261120-030700".to_owned()),
        with: serde_json::from_value(with).unwrap(),
        version: None,
        before: None,
        after: None,
        keep: None,
        scratch: None,
    }
}
