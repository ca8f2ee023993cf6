//! Two samples of one quantity, sorted together and counted, in bounded memory.
//!
//! While there are at most `capacity` different values every one is kept, and everything that is computed is exact.
//! Beyond that neighbours are put together: numbers that agree in all but the last bits, in as few bits as will do. Which
//! are put together depends on the values alone and not on their order. What is lost is known: every entry has its least
//! and greatest value.

/// Values that are counted together: one, or neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::probe) struct Entry {
    low: u64,
    high: u64,
    /// How many of each sample.
    pub(in crate::probe) counts: [u64; 2],
}

impl Entry {
    /// Its greatest value.
    pub(in crate::probe) fn high(&self) -> f64 {
        number(self.high)
    }

    /// Its least value.
    pub(in crate::probe) fn low(&self) -> f64 {
        number(self.low)
    }

    /// The value in its middle.
    pub(in crate::probe) fn middle(&self) -> f64 {
        self.low() + (self.high() - self.low()) / 2.0
    }

    /// Whether it stands for more than one value.
    pub(in crate::probe) fn mixed(&self) -> bool {
        self.low != self.high
    }

    fn absorb(&mut self, other: &Entry) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }
}

/// Two samples, sorted and counted.
#[derive(Debug, Clone)]
pub(in crate::probe) struct Sketch {
    capacity: usize,
    /// How many of the last bits do not count.
    shift: u32,
    entries: Vec<Entry>,
    /// What has come since, of each sample.
    pending: [Vec<u64>; 2],
    /// Infinite values of each sample; they are in no entry.
    pub(in crate::probe) infinite: [u64; 2],
    /// Values of each sample that are not there.
    pub(in crate::probe) missing: [u64; 2],
}

/// The bits of a number, so that numbers and their bits have the same order. Both zeros are one.
fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

impl Sketch {
    /// An empty one that keeps at most this many different values apart.
    pub(in crate::probe) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(2),
            shift: 0,
            entries: Vec::new(),
            pending: [Vec::new(), Vec::new()],
            infinite: [0, 0],
            missing: [0, 0],
        }
    }

    /// Takes a value of one of the samples. NaN is a missing one.
    pub(in crate::probe) fn push(&mut self, side: usize, value: f64) {
        let counted = if value.is_nan() {
            Some(&mut self.missing)
        } else if value.is_infinite() {
            Some(&mut self.infinite)
        } else {
            None
        };
        if let Some(counts) = counted {
            if let Some(count) = counts.get_mut(side) {
                *count += 1;
            }
            return;
        }
        let Some(pending) = self.pending.get_mut(side) else { return };
        pending.push(key(value));
        if pending.len() >= (self.capacity / 2).max(1024) {
            self.settle();
        }
    }

    /// Sorts in what has come since. Entries are complete only after it.
    pub(in crate::probe) fn settle(&mut self) {
        for side in 0..self.pending.len() {
            let Some(pending) = self.pending.get_mut(side).filter(|pending| !pending.is_empty()) else {
                continue;
            };
            pending.sort_unstable();
            let new = counted(pending, side, self.shift);
            pending.clear();
            self.entries = merge(&self.entries, &new, self.shift);
            while self.entries.len() > self.capacity && self.shift < 63 {
                self.shift += 1;
                self.entries = merge(&self.entries, &[], self.shift);
            }
        }
    }

    /// The entries, by value.
    pub(in crate::probe) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether every entry is one value.
    pub(in crate::probe) fn exact(&self) -> bool {
        self.shift == 0
    }

    /// How many values of a sample are there.
    pub(in crate::probe) fn count(&self, side: usize) -> u64 {
        self.entries.iter().filter_map(|entry| entry.counts.get(side)).sum()
    }

    /// Whether all values of a sample that are there are the same one.
    pub(in crate::probe) fn constant(&self, side: usize) -> bool {
        let mut own =
            self.entries.iter().filter(|entry| entry.counts.get(side).is_some_and(|count| *count > 0));
        own.next().is_some_and(|first| !first.mixed()) && own.next().is_none()
    }

    /// The moments of a sample; `None` with fewer than two values.
    pub(in crate::probe) fn moments(&self, side: usize) -> Option<Moments> {
        let own = || {
            self.entries.iter().filter_map(move |entry| {
                let count = *entry.counts.get(side)?;
                (count > 0).then_some((entry, count as f64))
            })
        };
        let count = self.count(side);
        let (n, origin) = (count as f64, own().next()?.0.middle());
        if count < 2 {
            return None;
        }
        // Sums of distances from a value of the sample itself lose less than sums of the values.
        let mean = origin + own().map(|(entry, c)| c * (entry.middle() - origin)).sum::<f64>() / n;
        let squares: f64 = own().map(|(entry, c)| c * (entry.middle() - mean).powi(2)).sum();
        let blur = own().map(|(entry, c)| c * (entry.high() - entry.low())).sum::<f64>() / (2.0 * n);
        Some(Moments { count, mean, deviation: (squares / (n - 1.0)).sqrt(), blur })
    }
}

/// Mean and standard deviation of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::probe) struct Moments {
    /// How many values.
    pub(in crate::probe) count: u64,
    /// Their mean.
    pub(in crate::probe) mean: f64,
    /// Their standard deviation, with n − 1.
    pub(in crate::probe) deviation: f64,
    /// How far the mean may be off because neighbours were put together.
    pub(in crate::probe) blur: f64,
}

/// Sorted values of one sample, counted. What agrees in all but the last `shift` bits becomes one entry.
fn counted(sorted: &[u64], side: usize, shift: u32) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for key in sorted {
        match entries.last_mut() {
            Some(last) if last.low >> shift == key >> shift => last.high = *key,
            _ => entries.push(Entry { low: *key, high: *key, counts: [0, 0] }),
        }
        if let Some(count) = entries.last_mut().and_then(|entry| entry.counts.get_mut(side)) {
            *count += 1;
        }
    }
    entries
}

/// Two sorted runs as one. What agrees in all but the last `shift` bits becomes one entry.
fn merge(left: &[Entry], right: &[Entry], shift: u32) -> Vec<Entry> {
    let mut merged: Vec<Entry> = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.low <= b.low,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return merged,
        };
        let Some(next) = (if from_left { left.next() } else { right.next() }) else { return merged };
        match merged.last_mut() {
            Some(last) if last.low >> shift == next.low >> shift => last.absorb(next),
            _ => merged.push(*next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(capacity: usize, reference: &[f64], current: &[f64]) -> Sketch {
        let mut sketch = Sketch::new(capacity);
        reference.iter().for_each(|value| sketch.push(0, *value));
        current.iter().for_each(|value| sketch.push(1, *value));
        sketch.settle();
        sketch
    }

    #[test]
    fn bits_have_the_order_of_numbers() {
        let ordered = [f64::MIN, -1.5, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1.5, f64::MAX];
        for pair in ordered.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        for value in ordered {
            assert_eq!(number(key(value)), value);
        }
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let sketch = sketch(4, &[1.0, 1.0, 2.0, f64::NAN], &[2.0, f64::INFINITY, 3.0]);
        assert!(sketch.exact());
        let counts: Vec<_> = sketch.entries().iter().map(|e| (e.low(), e.high(), e.counts)).collect();
        assert_eq!(counts, [(1.0, 1.0, [2, 0]), (2.0, 2.0, [1, 1]), (3.0, 3.0, [0, 1])]);
        assert_eq!((sketch.missing, sketch.infinite), ([1, 0], [0, 1]));
        assert_eq!((sketch.count(0), sketch.count(1)), (3, 2));
    }

    #[test]
    fn constants_are_recognised() {
        let sketch = sketch(4, &[5.0, 5.0], &[5.0, 6.0]);
        assert!(sketch.constant(0) && !sketch.constant(1));
        assert!(!Sketch::new(4).constant(0), "nothing is not constant");
    }

    #[test]
    fn moments_of_values_far_from_zero() {
        // Population 4 ± 1, a thousand million away: a sum of squares would lose it.
        let values = [1e9 + 3.0, 1e9 + 4.0, 1e9 + 5.0];
        let moments = sketch(8, &values, &[]).moments(0).unwrap();
        assert_eq!((moments.mean, moments.deviation, moments.blur), (1e9 + 4.0, 1.0, 0.0));
        assert_eq!(sketch(8, &[1.0], &[]).moments(0), None);
        assert_eq!(sketch(8, &[], &[]).moments(0), None);
    }

    #[test]
    fn many_values_are_put_together_with_their_neighbours() {
        let values: Vec<f64> = (0..50_000).map(|at| 1e6 + f64::from(at) / 1000.0).collect();
        let sketch = sketch(1000, &values, &values);
        assert!(!sketch.exact() && sketch.entries().len() <= 1000 && sketch.entries().len() > 300);
        assert_eq!((sketch.count(0), sketch.count(1)), (50_000, 50_000));
        let moments = sketch.moments(0).unwrap();
        let mean = values.iter().sum::<f64>() / 50_000.0;
        assert!((moments.mean - mean).abs() <= moments.blur + 1e-6, "{moments:?}");
        assert!(moments.blur / moments.deviation < 0.01);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_order_of_values_changes_nothing(
            values in proptest::collection::vec((0..2_usize, -1e6..1e6_f64), 0..1500),
            capacity in 2..300_usize,
        ) {
            let fill = |values: &mut dyn Iterator<Item = &(usize, f64)>| {
                let mut sketch = Sketch::new(capacity);
                values.for_each(|(side, value)| sketch.push(*side, *value));
                sketch.settle();
                sketch
            };
            let (forth, back) = (fill(&mut values.iter()), fill(&mut values.iter().rev()));
            prop_assert_eq!(forth.entries(), back.entries());
            prop_assert!(forth.entries().len() <= capacity);
            prop_assert_eq!(forth.count(0) + forth.count(1), values.len() as u64);
        }
    }
}
