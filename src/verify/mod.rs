//! Verification: suites of expectations over probes, for CI and after a rollback.
//!
//! A suite measures with probes, its service's and its own, and says what it expects of what they measured. An
//! expectation that holds is OK, one that does not is CRIT or WARN, and one that cannot be decided is UNKNOWN: a suite
//! never passes because it looked at nothing.

mod analysis;
pub mod changed;
mod condition;
mod config;
mod judge;
mod report;
pub mod reporters;
mod run;
mod selection;
mod template;

pub use analysis::{AnalysisConfig, Better, CompareConfig};
pub use config::{ExpectationConfig, ExpectationSeverity, SuiteConfig};
pub use report::{Check, Examination, Report, SampleVerdict, SampleView, Summary, Value};
pub use run::{Wait, run};
pub use selection::{Fault, SuiteProblem, problems};
pub use template::{TEMPLATES, whole};
