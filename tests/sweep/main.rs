//! Killed everywhere: one plan over files, settings, git, SQLite, PostgreSQL and a program, and a plan of Kubernetes,
//! is killed at every fault point and, under strace, at every rename, fsync, connect and write. Then it is resumed or
//! aborted, and looked at from outside, with nothing of irctl: as before, or as after, and nothing lost.
//!
//! A few kills of each kind run with the other tests; all of them with `IRCTL_SWEEP=all`, as `make sweep` does.

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/sweep.rs"]
mod thoroughness;

mod cluster;
mod composite;
mod killing;
mod rollback;
mod stopping;
mod system_calls;
mod taking_back;
