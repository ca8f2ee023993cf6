//! Redis: keys, a stream of control events, and keys by pattern. A whole database is never emptied.
//!
//! What is compared and set happens under WATCH, so that another client's write between looking and writing makes the
//! transaction fail. Nodes of a cluster and replicas are refused.

mod event;
mod image;
mod key;
mod purge;
mod server;

pub use event::RedisEvent;
pub use key::RedisKey;
pub use purge::RedisPurge;
