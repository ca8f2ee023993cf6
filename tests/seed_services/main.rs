//! The services that are shipped to be copied (`config/services/templates`) over the fixtures of `fixtures/checks`: with a
//! passing one every rule has data and is quiet, and for every rule there is a failing one that fires it, measured by the
//! real probe on real files, databases, Redis, Prometheus and systemd.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod acis;
mod case;
mod phased;
#[path = "../support/postgres.rs"]
mod postgres;
mod recorded;
#[path = "../support/redis.rs"]
#[allow(dead_code)]
mod redis_server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/systemd.rs"]
#[allow(dead_code)]
mod systemd;
mod trading;
