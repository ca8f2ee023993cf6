//! The row of `registry`.
