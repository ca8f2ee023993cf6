//! Notices: who is told what, over which channel, and proof of what arrived.
//!
//! The way of a message is a row of stages, as in Alertmanager: [`route`] (who), [`outbox`] (queued once, in the
//! caller's transaction), [`claim`] (the intent is on disk before a socket opens), [`message`] (what), [`channels`]
//! (send, and say how it ended), [`record`] (outcome and event). No stage waits for the next: what happened is
//! queued with the event that says so, and told when a channel can be reached.

pub mod channels;
mod claim;
pub mod config;
pub mod courier;
mod crowd;
pub mod message;
pub mod notice;
pub mod outbox;
mod record;
mod reference;
pub mod retry;
pub mod route;
pub mod samples;
pub mod template;

pub use channels::audit::AuditConfig;
pub use channels::{ChannelKind, Outcome};
pub use config::{
    AUDIT_CHANNEL, ChannelConfig, ContactsConfig, Given, NotifyConfig, Reference, ReferenceKind,
};
pub use courier::{Courier, Summary};
pub use message::{Composed, Composer, Dispatch, Message};
pub use notice::Notice;
pub use outbox::{Again, Announced, announce, enqueue, enqueue_to, give_up, hasten, requeue};
