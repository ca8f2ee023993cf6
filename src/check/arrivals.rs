//! In which order services are acted on: by name where they are ready in time, else as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::measuring::Taken;

/// How long a whole round waits for one service so that another is not acted on before it. It makes two rounds over
/// the same services tell the same story; it is too short to matter to whoever is harmed.
const PATIENCE: Duration = Duration::from_millis(250);

/// Measured services, each once. One that needs others comes after them, however long they take.
pub struct Arrivals {
    needs: BTreeMap<usize, BTreeSet<usize>>,
    receiver: Receiver<Taken>,
    ready: BTreeMap<usize, Taken>,
    gone: BTreeSet<usize>,
    next: usize,
    patience: Duration,
}

impl Arrivals {
    /// Of what a pool measures. `needs` are the services that have to come before each, by number.
    pub fn new(receiver: Receiver<Taken>, needs: BTreeMap<usize, BTreeSet<usize>>) -> Self {
        Self { needs, receiver, ready: BTreeMap::new(), gone: BTreeSet::new(), next: 0, patience: PATIENCE }
    }

    fn pass(&mut self, number: usize) -> Option<Taken> {
        let taken = self.ready.remove(&number)?;
        self.gone.insert(number);
        while self.gone.contains(&self.next) {
            self.next += 1;
        }
        Some(taken)
    }

    /// The first that is ready and needs nothing that is still to come.
    fn free(&self) -> Option<usize> {
        let is_free =
            |number: &&usize| self.needs.get(*number).is_none_or(|needs| needs.is_subset(&self.gone));
        self.ready.keys().find(is_free).copied()
    }
}

impl Iterator for Arrivals {
    type Item = Taken;

    fn next(&mut self) -> Option<Taken> {
        loop {
            let free = self.free();
            if free == Some(self.next) {
                return self.pass(self.next);
            }
            let arrived = if free.is_none() {
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
                // Who waits for one that never comes is looked at all the same.
                Err(_) => return self.pass(free.or_else(|| self.ready.keys().next().copied())?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(sent: &[usize]) -> Vec<usize> {
        in_order(sent, BTreeMap::new())
    }

    fn in_order(sent: &[usize], needs: BTreeMap<usize, BTreeSet<usize>>) -> Vec<usize> {
        let (sender, receiver) = std::sync::mpsc::channel();
        sent.iter().for_each(|number| sender.send(Taken::new(*number)).unwrap());
        drop(sender);
        Arrivals::new(receiver, needs).map(|taken| taken.number).collect()
    }

    #[test]
    fn by_name_where_they_are_ready() {
        assert_eq!(numbers(&[1, 0, 3, 2, 4]), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&[3, 1]), [1, 3]);
        assert_eq!(numbers(&[]), [0_usize; 0]);
    }

    #[test]
    fn what_others_need_comes_before_them() {
        let needs = |pairs: &[(usize, usize)]| {
            let mut needs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for (number, other) in pairs {
                needs.entry(*number).or_default().insert(*other);
            }
            needs
        };
        assert_eq!(in_order(&[0, 1, 2, 3], needs(&[(0, 3), (1, 0)])), [2, 3, 0, 1]);
        assert_eq!(
            in_order(&[0, 1], needs(&[(0, 7)])),
            [1, 0],
            "one that never comes holds up nobody for good"
        );
        assert_eq!(in_order(&[0, 1], needs(&[(0, 1), (1, 0)])), [0, 1], "nor does a circle");
    }

    #[test]
    fn nobody_waits_long_for_one_that_is_slow() {
        let (sender, receiver) = std::sync::mpsc::channel();
        sender.send(Taken::new(1)).unwrap();
        let mut arrivals = Arrivals::new(receiver, BTreeMap::new());
        let begun = Instant::now();
        assert_eq!(arrivals.next().map(|taken| taken.number), Some(1));
        assert!(begun.elapsed() < Duration::from_secs(5));
        sender.send(Taken::new(0)).unwrap();
        drop(sender);
        assert_eq!(arrivals.map(|taken| taken.number).collect::<Vec<_>>(), [0]);
    }
}
