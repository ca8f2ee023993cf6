//! Blocks of lines, handled by several threads and put back into their order.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::stream::{BLOCK, Source, StreamSummary};
use crate::base::{Error, ErrorCode, Result};

/// Whole lines.
pub(super) struct Block {
    /// The number of the first one.
    pub(super) first_line: u64,
    pub(super) bytes: Vec<u8>,
}

/// A block's output; its memory goes back to be used again.
pub(super) struct Done {
    pub(super) out: Vec<u8>,
    pub(super) summary: StreamSummary,
    pub(super) bytes: Vec<u8>,
}

type Work<'a, H> = dyn Fn(&mut H, Block, Vec<u8>) -> Done + Sync + 'a;

struct Worker {
    todo: SyncSender<(Block, Vec<u8>)>,
    done: Receiver<Done>,
}

/// How many blocks may wait at one worker.
const QUEUE: usize = 2;

/// Handles all blocks of `source` and writes their outputs in order. Threads start only where one block is not all.
pub(super) fn pump<H>(
    source: &mut Source<'_>,
    writer: &mut dyn Write,
    make: &(dyn Fn() -> H + Sync),
    work: &Work<'_, H>,
) -> Result<StreamSummary> {
    let mut summary = StreamSummary::default();
    let Some(first) = source.block(Vec::with_capacity(BLOCK))? else { return Ok(summary) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if threads == 1 || source.is_finished() {
        return alone(first, source, writer, &mut make(), work);
    }
    std::thread::scope(|scope| {
        let workers: Vec<Worker> = (0..threads)
            .map(|_| {
                let (todo, blocks) = sync_channel::<(Block, Vec<u8>)>(QUEUE);
                let (finished, done) = sync_channel(QUEUE);
                scope.spawn(move || {
                    let mut handler = make();
                    for (block, out) in blocks {
                        if finished.send(work(&mut handler, block, out)).is_err() {
                            return;
                        }
                    }
                });
                Worker { todo, done }
            })
            .collect();
        let mut next = Some(first);
        let (mut sent, mut received) = (0_usize, 0_usize);
        let mut pool: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let ended = next.is_none();
            if let Some(block) = next.take() {
                let (bytes, out) = pool.pop().unwrap_or_default();
                give(&workers, sent, (block, out))?;
                sent += 1;
                next = source.block(bytes)?;
            }
            // In turn: what was handed out first comes back first.
            if received < sent && (ended || sent - received >= QUEUE * threads) {
                let mut done = take(&workers, received)?;
                received += 1;
                writer.write_all(&done.out)?;
                summary.merge(done.summary);
                done.out.clear();
                pool.push((done.bytes, done.out));
            }
            if ended && received == sent {
                return Ok(summary);
            }
        }
    })
}

fn alone<H>(
    first: Block,
    source: &mut Source<'_>,
    writer: &mut dyn Write,
    handler: &mut H,
    work: &Work<'_, H>,
) -> Result<StreamSummary> {
    let mut summary = StreamSummary::default();
    let (mut next, mut out) = (Some(first), Vec::new());
    while let Some(block) = next {
        let done = work(handler, block, out);
        writer.write_all(&done.out)?;
        summary.merge(done.summary);
        out = done.out;
        out.clear();
        next = source.block(done.bytes)?;
    }
    Ok(summary)
}

fn lost() -> Error {
    Error::new(ErrorCode::Bug, "a thread that classifies ended before its work")
}

fn give(workers: &[Worker], turn: usize, block: (Block, Vec<u8>)) -> Result<()> {
    let worker = workers.get(turn % workers.len().max(1)).ok_or_else(lost)?;
    worker.todo.send(block).map_err(|_| lost())
}

fn take(workers: &[Worker], turn: usize) -> Result<Done> {
    let worker = workers.get(turn % workers.len().max(1)).ok_or_else(lost)?;
    worker.done.recv().map_err(|_| lost())
}
