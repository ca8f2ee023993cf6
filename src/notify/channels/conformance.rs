//! What every channel must do, as one table: how each ending is told, and that no secret leaves.
//!
//! A channel kind without its rows does not compile here.
