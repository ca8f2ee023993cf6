//! In which order services are acted on: by name where they are ready in time, else as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::measuring::Taken;

/// How long a whole round waits for one service so that another is not acted on before it. It makes two rounds over
/// the same services tell the same story; it is too short to matter to whoever is harmed.
const PATIENCE: Duration = Duration::from_millis(250);

/// Measured services, each once.
pub struct Arrivals {
    receiver: Receiver<Taken>,
    ready: BTreeMap<usize, Taken>,
    gone: BTreeSet<usize>,
    next: usize,
    patience: Duration,
}

impl Arrivals {
    /// Of what a pool measures.
    pub fn new(receiver: Receiver<Taken>) -> Self {
        Self { receiver, ready: BTreeMap::new(), gone: BTreeSet::new(), next: 0, patience: PATIENCE }
    }

    fn pass(&mut self, taken: Taken) -> Taken {
        self.gone.insert(taken.number);
        while self.gone.remove(&self.next) {
            self.next += 1;
        }
        taken
    }
}

impl Iterator for Arrivals {
    type Item = Taken;

    fn next(&mut self) -> Option<Taken> {
        loop {
            if let Some(taken) = self.ready.remove(&self.next) {
                return Some(self.pass(taken));
            }
            let arrived = if self.ready.is_empty() {
                self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                let begun = Instant::now();
                let arrived = self.receiver.recv_timeout(self.patience);
                self.patience = self.patience.saturating_sub(begun.elapsed());
                arrived
            };
            match arrived {
                Ok(taken) => {
                    self.ready.insert(taken.number, taken);
                }
                Err(_) => return self.ready.pop_first().map(|(_, taken)| self.pass(taken)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(sent: &[usize]) -> Vec<usize> {
        let (sender, receiver) = std::sync::mpsc::channel();
        sent.iter().for_each(|number| sender.send(Taken::new(*number)).unwrap());
        drop(sender);
        Arrivals::new(receiver).map(|taken| taken.number).collect()
    }

    #[test]
    fn by_name_where_they_are_ready() {
        assert_eq!(numbers(&[1, 0, 3, 2, 4]), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&[3, 1]), [1, 3]);
        assert_eq!(numbers(&[]), [0_usize; 0]);
    }

    #[test]
    fn nobody_waits_long_for_one_that_is_slow() {
        let (sender, receiver) = std::sync::mpsc::channel();
        sender.send(Taken::new(1)).unwrap();
        let mut arrivals = Arrivals::new(receiver);
        let begun = Instant::now();
        assert_eq!(arrivals.next().map(|taken| taken.number), Some(1));
        assert!(begun.elapsed() < Duration::from_secs(5));
        sender.send(Taken::new(0)).unwrap();
        drop(sender);
        assert_eq!(arrivals.map(|taken| taken.number).collect::<Vec<_>>(), [0]);
    }
}
