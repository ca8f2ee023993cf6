//! The row of `git`.
