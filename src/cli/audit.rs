//! `irctl audit`: proves the hash chain of the events.

use serde::Serialize;

use super::Context;
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::store::Store;
use crate::store::chain::{Audit, Auditor, Sealed};

/// How many events are read at a time, so that memory does not grow with their number.
const BATCH: usize = 10_000;

/// Prove that no event was changed, removed or reordered.
///
/// Every event holds the hash of the one before it. A witness — a number and a hash that left this machine
/// earlier, in a notice or a postmortem — also proves that nothing was cut off at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  irctl audit\n  irctl audit --witness 14:sha256:9f2b…  \
                        # the head that a notice carried\n\nExit status: 0 sound, 65 not.")]
pub struct Args {
    /// An event number and its hash (at least eight digits), as notices carry them.
    #[arg(long, value_name = "NUMBER:HASH", value_parser = parse_witness)]
    witness: Vec<Witness>,
}

#[derive(Debug, Clone)]
struct Witness {
    sequence: u64,
    hash: String,
}

fn parse_witness(text: &str) -> std::result::Result<Witness, String> {
    let (number, hash) = text.split_once(':').ok_or("write it as NUMBER:HASH")?;
    let sequence = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
    if digits.len() < 8 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("the hash needs at least eight hexadecimal digits".to_owned());
    }
    Ok(Witness { sequence, hash: hash.to_owned() })
}

/// The audit as JSON.
#[derive(Serialize)]
struct Report<'a> {
    sound: bool,
    #[serde(flatten)]
    audit: &'a Audit,
    witnesses: usize,
}

/// Checks the whole chain and returns the exit status.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let store = context.store()?;
    let mut witnesses = args.witness.clone();
    let mut unproven = Vec::new();
    let mut audit = examine(&*store, &mut |sealed| {
        witnesses.retain(|witness| {
            if witness.sequence != sealed.sequence {
                return true;
            }
            if !sealed_matches(&sealed.hash, &witness.hash) {
                unproven.push((sealed.sequence, "its hash is not the one that the witness saw".to_owned()));
            }
            false
        });
    })?;
    unproven
        .extend(witnesses.iter().map(|w| (w.sequence, "a witness saw it, and it is not here".to_owned())));
    audit.faults.extend(
        unproven.into_iter().map(|(sequence, reason)| crate::store::chain::Fault { sequence, reason }),
    );
    show(&audit, args.witness.len(), context)
}

fn sealed_matches(hash: &Digest, witness: &str) -> bool {
    hash.matches(witness)
}

/// Reads the chain in batches, each in a view of its own.
fn examine(store: &dyn Store, each: &mut dyn FnMut(&Sealed)) -> Result<Audit> {
    let mut auditor = Auditor::default();
    let mut after = 0;
    loop {
        let batch = store.view(|session| session.sealed(after, BATCH))?;
        let Some(last) = batch.last() else { break };
        after = last.sequence;
        for sealed in &batch {
            auditor.take(sealed);
            each(sealed);
        }
    }
    Ok(auditor.finish())
}

fn show(audit: &Audit, witnesses: usize, context: &Context) -> Result<u8> {
    let sound = audit.faults.is_empty();
    if context.out.is_json() {
        context.out.json(&Report { sound, audit, witnesses })?;
        return Ok(if sound { 0 } else { ErrorCode::ChainBroken.exit() });
    }
    for fault in &audit.faults {
        context.out.line(&format!("event {}: {}", fault.sequence, fault.reason))?;
    }
    if !sound {
        let count = audit.faults.len();
        return Err(Error::new(
            ErrorCode::ChainBroken,
            format!("{count} of {} events do not fit into the chain", audit.events),
        )
        .hint("do not write to this state any more; compare it with a backup and with the heads in past notices"));
    }
    context
        .out
        .line(&format!("The chain is sound: {} events, none changed, removed or reordered.", audit.events))?;
    for (writer, head) in &audit.heads {
        context.out.line(&format!("  head of {writer}: {} {}", head.writer_sequence, head.hash))?;
    }
    Ok(0)
}
