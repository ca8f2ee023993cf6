//! What the unit tests of the adapters share.

use serde_json::Value;
use std::path::Path;

use super::contract::{CONTRACT, Predicted, Request, State, Verb};
use super::{Adapter, Applied};
use crate::base::Result;

/// A request with these parameters.
pub fn request(with: Value) -> Request {
    Request {
        contract: CONTRACT,
        verb: Verb::Observe,
        service: "rila_6y20b".to_owned(),
        root: std::env::temp_dir(),
        operation: Some("OP-20261120-030700".to_owned()),
        with: serde_json::from_value(with).unwrap(),
        version: None,
        before: None,
        after: None,
        keep: None,
        scratch: None,
    }
}

/// An adapter with what an operation would give it.
pub struct Bench<'a> {
    /// The adapter.
    pub adapter: &'a dyn Adapter,
    /// The request as the operation pinned it.
    pub request: Request,
}

impl<'a> Bench<'a> {
    /// Observes, keeps and predicts, as staging does.
    pub fn stage(adapter: &'a dyn Adapter, with: Value, keep: &Path) -> (Self, Predicted) {
        let mut request = request(with);
        request.keep = Some(keep.to_owned());
        let before = adapter.observe(&request).expect("observing").state;
        request.before = Some(before);
        request.verb = Verb::Predict;
        let predicted = adapter.predict(&request).expect("predicting");
        assert_eq!(predicted.refusals, Vec::<String>::new());
        request.after = predicted.after.clone();
        (Self { adapter, request }, predicted)
    }

    /// What is in place.
    pub fn state(&self) -> State {
        let request = Request { keep: None, before: None, after: None, ..self.request.clone() };
        self.adapter.observe(&request).expect("observing")
    }

    /// Applies.
    pub fn apply(&self) -> Result<Applied> {
        self.adapter.apply(&Request { verb: Verb::Apply, ..self.request.clone() })
    }

    /// Undoes.
    pub fn undo(&self) -> Result<Applied> {
        self.adapter.undo(&Request { verb: Verb::Undo, ..self.request.clone() })
    }

    /// There and back, each twice: what is done is done once, and undone exactly.
    pub fn there_and_back(&self) {
        let before = self.state();
        self.undo().expect("undoing nothing");
        assert_eq!(before, self.state(), "undo of nothing is nothing");
        self.apply().expect("applying");
        let after = self.state();
        assert_ne!(before.state, after.state);
        if let Some(expected) = &self.request.after {
            assert_eq!(expected, &after.state, "it went as predicted");
        }
        self.apply().expect("applying again");
        assert_eq!(after, self.state(), "done once");
        self.undo().expect("undoing");
        assert_eq!(before.state, self.state().state, "undone exactly");
        self.undo().expect("undoing again");
        assert_eq!(before.state, self.state().state);
    }
}
