//! The servers that several recipes are tried on.

#[path = "../../support/http.rs"]
pub mod http;
