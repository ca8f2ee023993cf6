//! The row of `files`.
