//! Rows of a database: PostgreSQL or SQLite.
//!
//! Everything that one target does is one transaction. In it the rows are read under lock and compared with those of
//! the plan, the statements run, the rows are read again, both images are written to disk, a mark is left in a table of
//! irctl's own, and it is committed. Whoever comes after a crash reads the mark: it is there if and only if the rows
//! are changed. The way back turns the rows of the second image into those of the first, column by column, and refuses
//! when they are not as they were left.

mod asserted;
mod compile;
mod config;
mod connection;
mod failure;
mod image;
mod marker;
mod name;
mod postgres;
mod postgres_shape;
mod presets;
mod put_back;
mod replace;
mod run;
mod scope;
mod sqlite;
mod switch;
mod target;
mod text;
mod transact;
mod value;

pub use crate::base::connect::postgres::{PostgresConfig, TlsMode};
pub use compile::Counted;
pub use config::{
    Capture, DatabaseConfig, KeepConfig, RowCount, SqlChange, SqlConfig, SqlTimeouts, SqliteConfig,
    StatementConfig, StatementsConfig,
};
pub use connection::Database;
pub use name::TableName;
pub use presets::{ClientSettingsConfig, DeploymentColumns, DeploymentLogConfig, InProduction};
pub use scope::Scope;
pub use switch::{SqlSwitch, Work};
pub use target::SqlTarget;
pub use text::Bound;
pub use value::Value;
