//! The servers that several recipes are tried on.

#[path = "../../support/api_server.rs"]
pub mod http;
