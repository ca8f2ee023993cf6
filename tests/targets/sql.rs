//! The row of `sql`.
