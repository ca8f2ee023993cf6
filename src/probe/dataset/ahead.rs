//! Batches that one thread decodes ahead of the one that takes them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::batch::Batch;
use crate::base::{Error, Result};

/// How many batches wait to be taken.
const AHEAD: usize = 8;

/// Hands a full batch on and leaves an empty one. Says whether somebody still wants more.
pub(super) type HandOn<'a> = dyn FnMut(&mut Batch) -> bool + 'a;

/// What a thread has decoded.
pub(super) enum Decoded {
    /// Some rows.
    Rows(Batch),
    /// The last of its rows that belong together was handed on.
    End,
    /// It goes no further.
    Failed(Error),
}

/// The end of the thread that decodes.
pub(super) struct Lane {
    empty: Batch,
    send: SyncSender<Decoded>,
    spent: Receiver<Batch>,
}

/// The end of the thread that takes.
pub(super) struct Arrivals {
    receive: Receiver<Decoded>,
    give_back: SyncSender<Batch>,
}

/// Both ends, for batches like this one.
pub(super) fn lane(batch: &Batch) -> (Lane, Arrivals) {
    let (send, receive) = sync_channel(AHEAD);
    let (give_back, spent) = sync_channel(AHEAD);
    (Lane { empty: batch.alike(), send, spent }, Arrivals { receive, give_back })
}

impl Lane {
    /// An empty batch.
    pub(super) fn batch(&self) -> Batch {
        self.empty.alike()
    }

    /// Hands a full batch on.
    pub(super) fn hand_on(&mut self, full: &mut Batch) -> bool {
        let next = match self.spent.try_recv() {
            Ok(mut spent) => {
                spent.reset();
                spent
            }
            Err(_) => self.empty.alike(),
        };
        self.send(Decoded::Rows(std::mem::replace(full, next)))
    }

    /// Says something else. Says whether somebody still listens.
    pub(super) fn send(&mut self, decoded: Decoded) -> bool {
        self.send.send(decoded).is_ok()
    }
}

impl Arrivals {
    /// Takes what arrives until it is something else than rows; `None` where the thread is gone.
    pub(super) fn take(&self, whole: &mut Batch, take: &mut dyn FnMut(&Batch)) -> Option<Decoded> {
        loop {
            match self.receive.recv().ok()? {
                Decoded::Rows(rows) => {
                    whole.add_unreadable(&rows);
                    take(&rows);
                    // Where nobody wants it back its thread is done.
                    let _ = self.give_back.try_send(rows);
                }
                other => return Some(other),
            }
        }
    }
}

/// Decodes on a thread of its own and takes on this one.
pub(super) fn ahead<T: Send>(
    batch: &mut Batch,
    take: &mut dyn FnMut(&Batch),
    decode: impl FnOnce(&mut Batch, &mut HandOn<'_>) -> Result<T> + Send,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (mut lane, arrivals) = lane(batch);
        let thread = scope.spawn(move || decode(&mut lane.batch(), &mut |full| lane.hand_on(full)));
        arrivals.take(batch, take);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
