//! How long the steps of earlier operations took, as their journals say.

use std::collections::BTreeMap;
use std::path::Path;

use super::directory::Directory;
use super::ending::Ending;
use super::listing::Listed;
use super::record::{Record, RecordKind};
use crate::base::Result;

/// How many of the newest operations are looked at.
const LOOKED_AT: usize = 5;

/// The median time of each step of a service's last operations.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    targets: BTreeMap<usize, Vec<u64>>,
    steps: BTreeMap<String, Vec<u64>>,
}

impl Timing {
    /// Reads the newest journals of a service's rollbacks that switched, of all that there are (oldest first).
    pub fn of(state: &Path, all: &[Listed], service: &str) -> Result<Self> {
        let switched = all.iter().map(|one| &one.summary).filter(|one| {
            one.service == service
                && one.kind == "rollback"
                && matches!(one.ending, Some(Ending::Restored | Ending::Unproven))
        });
        let mut timing = Timing::default();
        for one in switched.rev().take(LOOKED_AT) {
            let directory = Directory::open(state, &one.id)?;
            let Some((_, digest)) = directory.pinned()? else { continue };
            // A journal that cannot be read any more only makes the prediction poorer.
            timing.take(&directory.records(&digest).unwrap_or_default());
        }
        Ok(timing)
    }

    fn take(&mut self, records: &[Record]) {
        let mut by_target: BTreeMap<usize, u64> = BTreeMap::new();
        let mut last = 0;
        for record in records {
            let RecordKind::Outcome { step, undo: false, failure: None, elapsed_ms, .. } = &record.kind
            else {
                continue;
            };
            let took = elapsed_ms.saturating_sub(last);
            last = *elapsed_ms;
            self.steps.entry(step.clone()).or_default().push(took);
            if let Some(target) = target_of(step) {
                *by_target.entry(target).or_default() += took;
            }
        }
        for (target, took) in by_target {
            self.targets.entry(target).or_default().push(took);
        }
    }

    /// The median time of everything that one target switched, in milliseconds.
    pub fn target(&self, number: usize) -> Option<u64> {
        median(self.targets.get(&number)?)
    }

    /// The median time of a step, in milliseconds.
    pub fn step(&self, id: &str) -> Option<u64> {
        median(self.steps.get(id)?)
    }
}

/// The number of the target in a step's name, as `switch:2:model.json`; the first target's steps carry none.
fn target_of(step: &str) -> Option<usize> {
    let rest = step.strip_prefix("switch:")?;
    let number = rest.split_once(':').and_then(|(number, _)| number.parse::<usize>().ok());
    Some(number.map_or(0, |number| number.saturating_sub(1)))
}

fn median(values: &[u64]) -> Option<u64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_what_each_target_took() {
        assert_eq!(target_of("switch:model.json"), Some(0));
        assert_eq!(target_of("switch:3:config/a.yml"), Some(2));
        assert_eq!(target_of("prove"), None);
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[]), None);
    }
}
