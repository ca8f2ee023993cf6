//! The row of `kubernetes`.
