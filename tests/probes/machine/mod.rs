//! Probes of what runs: real servers, repositories, logs, processes and this machine.

#[path = "../../support/certificates.rs"]
mod certificates;
mod git;
mod http;
mod log;
mod running;
mod whole;
