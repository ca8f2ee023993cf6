//! The row of `command`.
