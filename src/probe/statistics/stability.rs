//! The population stability index: how far the shares of the bins have moved.
//!
//! PSI = Σ (q − p) · ln(q / p) over the bins, with p the share of a bin in the reference and q that in the current sample.
//! Bins that no row of either is in are left out. Half a row is added to every other one of both, so that an empty one has
//! a share: p = (rows + ½) / (all + ½ · bins).
//!
//! Where nothing has changed, PSI / (1/n + 1/m) has about the chi-squared distribution with one degree of freedom fewer
//! than there are bins: Yurdakul and Naranjo (2020), Journal of Risk Model Validation 14(4).

use super::chance::{Compared, ONE_IN_A_THOUSAND, ONE_IN_TWENTY, chi_squared, scatter};
use super::sketch::{Entry, Sketch};
use super::{CURRENT, REFERENCE};

/// What is added to the rows of every bin.
const SMOOTHING: f64 = 0.5;

/// The rows of each bin in the reference and in the current sample.
pub(in crate::probe) type Bins = Vec<[u64; 2]>;

/// The index of these bins; `None` where a sample has no row.
pub(in crate::probe) fn index(bins: &[[u64; 2]]) -> Option<Compared> {
    let total = |side: usize| bins.iter().filter_map(|bin| bin.get(side)).sum::<u64>();
    let (n, m) = (total(REFERENCE), total(CURRENT));
    if n == 0 || m == 0 {
        return None;
    }
    // A bin that nothing is in would only be told apart by what is added to it.
    let used: Vec<_> = bins.iter().filter(|bin| bin.iter().any(|rows| *rows > 0)).collect();
    let added = SMOOTHING * used.len() as f64;
    let share = |rows: u64, all: u64| (rows as f64 + SMOOTHING) / (all as f64 + added);
    let value = used
        .iter()
        .map(|[reference, current]| {
            let (p, q) = (share(*reference, n), share(*current, m));
            (q - p) * (q / p).ln()
        })
        .sum();
    let (degrees, scatter) = ((used.len() as u64).saturating_sub(1), scatter(n, m));
    Some(Compared {
        value,
        expected: degrees as f64 * scatter,
        usual: chi_squared(degrees, ONE_IN_TWENTY) * scatter,
        significant: value > chi_squared(degrees, ONE_IN_A_THOUSAND) * scatter,
    })
}

/// The rows in `parts` bins that divide the reference into equal parts, and of values that are missing.
///
/// The upper end of bin k is the least value of the reference that at least k/parts of it do not exceed; it belongs to the
/// bin. Ends that fall together are one. The first and the last bin are open; where the first end is the least value of
/// the reference, what is less has a bin of its own. The missing have one always.
pub(in crate::probe) fn bins(sketch: &Sketch, parts: u64) -> Bins {
    let ends = ends(sketch.entries(), sketch.count(REFERENCE), parts);
    let mut bins: Bins = vec![[0, 0]; ends.len() + 1];
    let mut at = 0;
    for (number, entry) in sketch.entries().iter().enumerate() {
        while ends.get(at).is_some_and(|end| *end < number) {
            at += 1;
        }
        if let Some(bin) = bins.get_mut(at) {
            for (rows, more) in bin.iter_mut().zip(entry.counts) {
                *rows += more;
            }
        }
    }
    // What is before the least value of the reference, if that ends a bin.
    let first = sketch.entries().iter().position(|entry| entry.counts.first().is_some_and(|rows| *rows > 0));
    if let (Some(first), Some(end)) = (first, ends.first())
        && first == *end
    {
        let below: u64 =
            sketch.entries().iter().take(first).filter_map(|entry| entry.counts.get(CURRENT)).sum();
        if let Some(current) = bins.first_mut().and_then(|bin| bin.get_mut(CURRENT)) {
            *current -= below;
        }
        bins.insert(0, [0, below]);
    }
    bins.push(sketch.missing);
    bins
}

/// The places of the entries that end a bin, each once.
fn ends(entries: &[Entry], all: u64, parts: u64) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::new();
    let (mut seen, mut part) = (0_u64, 1_u64);
    for (number, entry) in entries.iter().enumerate() {
        seen += entry.counts.first().copied().unwrap_or_default();
        let mut ended = false;
        while part < parts && u128::from(seen) * u128::from(parts) >= u128::from(part) * u128::from(all) {
            part += 1;
            ended = true;
        }
        if ended {
            ends.push(number);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(reference: &[f64], current: &[f64]) -> Sketch {
        let mut sketch = Sketch::new(10_000);
        reference.iter().for_each(|value| sketch.push(REFERENCE, *value));
        current.iter().for_each(|value| sketch.push(CURRENT, *value));
        sketch.settle();
        sketch
    }

    #[test]
    fn the_index_as_worked_out_by_hand() {
        // Shares with half a row more: 10.5/21 and 10.5/21 against 5.5/21 and 15.5/21.
        let [p, q] = [10.5_f64 / 21.0, 5.5 / 21.0];
        let expected = (q - p) * (q / p).ln() + (p - q) * ((1.0 - q) / p).ln();
        let found = index(&[[10, 5], [10, 15]]).unwrap();
        assert!((found.value - expected).abs() < 1e-15);
        assert_eq!(found.expected, 0.1, "one degree of freedom, 1/20 + 1/20");
        assert_eq!(index(&[[0, 5]]), None);
        assert_eq!(index(&[]), None);
    }

    #[test]
    fn bins_divide_the_reference_and_are_open() {
        let reference: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = bins(&sketch(&reference, &[-100.0, 1.0, 5.5, 10.0, 1000.0, f64::NAN]), 5);
        assert_eq!(found, [[2, 2], [2, 0], [2, 1], [2, 0], [2, 2], [0, 1]]);
    }

    #[test]
    fn what_was_never_so_low_or_so_high_has_a_bin() {
        let found = bins(&sketch(&[0.0, 0.0, 0.0, 0.0], &[-1.0, 0.0, 1.0]), 10);
        assert_eq!(found, [[0, 1], [4, 1], [0, 1], [0, 0]]);
    }

    proptest! {
        #[test]
        fn never_below_zero_and_zero_for_the_same(
            reference in proptest::collection::vec(-5.0..5.0_f64, 1..200),
            current in proptest::collection::vec(-5.0..5.0_f64, 1..200),
            parts in 2..20_u64,
        ) {
            let found = index(&bins(&sketch(&reference, &current), parts)).unwrap();
            prop_assert!(found.value >= 0.0 && found.value.is_finite());
            prop_assert_eq!(index(&bins(&sketch(&reference, &reference), parts)).unwrap().value, 0.0);
            let rows: u64 = bins(&sketch(&reference, &current), parts).iter().map(|bin| bin[CURRENT]).sum();
            prop_assert_eq!(rows, current.len() as u64);
        }

        #[test]
        fn the_farther_rows_move_the_higher_it_is(rows in 20..200_u64, moved in 0..100_u64) {
            let moved = moved.min(rows - 1);
            let of = |moved: u64| index(&[[rows, rows - moved], [0, moved]]).unwrap().value;
            prop_assert!(of(moved + 1) > of(moved));
        }
    }
}
