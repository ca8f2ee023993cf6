//! The engine that changes the world: claim, journal, steps, undo, resume, attach.
//!
//! An operation is a directory `<state>/operations/<OP>/`: the pinned plan, an append-only journal, and the
//! before-images. It needs no database, so it works when everything else is down.

pub mod by_service;
pub mod claim;
pub mod directory;
pub mod ending;
pub mod engine;
pub mod journal;
pub mod listing;
pub mod record;
pub mod recorder;
pub mod signal;
pub mod step;
mod summaries;
pub mod timing;

pub use by_service::ByService;
pub use claim::{Claim, Holder};
pub use directory::{Directory, Pinned};
pub use ending::Ending;
pub use engine::{Conclusion, Engine, StepState, StepUpdate};
pub use journal::{Journal, Progress};
pub use listing::{Listed, Summary, list};
pub use record::{Record, RecordKind};
pub use recorder::{NoRecorder, Recorder, StoreRecorder, drain_spool};
pub use signal::Stop;
pub use step::{Observation, Phase, Step, StepContext};
