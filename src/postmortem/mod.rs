//! Postmortems: from an incident's events to a document in which every line names the events behind it, and what no
//! event tells is an open question.

pub mod document;
pub mod draft;
mod impact;
pub mod markdown;
mod prevention;
mod resolution;
mod story;

pub use document::Document;
pub use draft::{Facts, draft};
pub use markdown::markdown;
