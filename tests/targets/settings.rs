//! The row of `settings`.
