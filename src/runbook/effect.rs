//! What a step does to the world, and so whether it may be repeated and taken back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a step does to the world. The default of each kind is [`super::Kind::effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It only looks. A dry run really does it.
    Read,
    /// It changes something, and the engine puts back what was.
    Reversible,
    /// It changes something that the step's `undo` makes good.
    Compensable,
    /// It changes something that nothing takes back. It is never repeated by itself.
    Irreversible,
}

impl Effect {
    /// The word as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Reversible => "reversible",
            Effect::Compensable => "compensable",
            Effect::Irreversible => "irreversible",
        }
    }

    /// Whether it changes anything.
    pub const fn writes(self) -> bool {
        !matches!(self, Effect::Read)
    }
}
