//! Exports of the same events: Protocol 25's incident record, log, rollback history and response metrics, and the
//! entry of a decision log.

pub mod decision;
pub mod digest;
pub mod history;
pub mod metrics;
pub mod record;
pub mod tracking;
