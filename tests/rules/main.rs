//! Rules: every one of the shipped schemes against the procedures, every threshold tried, the past replayed.

#[path = "../support/mod.rs"]
mod support;

mod replay;
mod seeds;
mod thresholds;
