//! The two-sample Kolmogorov–Smirnov test.
//!
//! D is the largest distance between the two empirical distribution functions, both taken to the right of tied values,
//! as SciPy's `ks_2samp` does. p is the chance of a D at least as large where both samples are of one distribution.

use super::chance::{Compared, scatter};
use super::sketch::Sketch;
use super::{CURRENT, REFERENCE};

/// Up to how many rows in either sample p is exact, as with SciPy's `method="auto"`.
const EXACT_ROWS: u64 = 10_000;

/// Up to which product of unequal numbers of rows p is exact: the work grows with it.
const EXACT_WORK: u64 = 4_000_000;

/// The mean of Kolmogorov's distribution, √(π/2) · ln 2.
const MEAN: f64 = 0.868_731_160_636_159_6;

/// What one in twenty reaches of Kolmogorov's distribution.
const USUAL: f64 = 1.358_098_783_967_787_6;

/// What the test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::probe) struct Test {
    /// The largest distance.
    pub(in crate::probe) distance: f64,
    /// How much larger it may be because neighbours were put together.
    pub(in crate::probe) blur: f64,
    /// The chance of such a distance, or a larger one, where nothing has changed.
    pub(in crate::probe) p: f64,
    /// Whether p is exact (for values without ties) and not of the limiting distribution.
    pub(in crate::probe) exact: bool,
    scatter: f64,
}

impl Test {
    /// Tests two samples; `None` where one has no value.
    pub(in crate::probe) fn of(sketch: &Sketch) -> Option<Self> {
        let (n, m) = (sketch.count(REFERENCE), sketch.count(CURRENT));
        if n == 0 || m == 0 {
            return None;
        }
        let whole = f64_of(u128::from(n) * u128::from(m));
        let (apart, at_most) = distances(sketch, n, m);
        let (p, exact) = chance(n, m, apart);
        let distance = f64_of(apart) / whole;
        Some(Self { distance, blur: f64_of(at_most) / whole - distance, p, exact, scatter: scatter(n, m) })
    }

    /// The distance beside what chance alone does.
    pub(in crate::probe) fn compared(&self) -> Compared {
        let unit = self.scatter.sqrt();
        Compared {
            value: self.distance,
            expected: (MEAN * unit).min(1.0),
            usual: USUAL * unit,
            significant: self.p < 0.001,
        }
    }
}

fn f64_of(count: u128) -> f64 {
    count as f64
}

/// The largest distance between the functions, times n·m: between entries, and at most within them.
fn distances(sketch: &Sketch, n: u64, m: u64) -> (u128, u128) {
    let (n, m) = (u128::from(n), u128::from(m));
    let (mut x, mut y, mut apart, mut at_most) = (0_u128, 0_u128, 0_u128, 0_u128);
    for entry in sketch.entries() {
        let [of_x, of_y] = entry.counts.map(u128::from);
        let (before_x, before_y) = (x, y);
        (x, y) = (x + of_x, y + of_y);
        apart = apart.max((x * m).abs_diff(y * n));
        if entry.mixed() {
            // All of one sample may lie before all of the other.
            at_most = at_most.max((x * m).abs_diff(before_y * n)).max((before_x * m).abs_diff(y * n));
        }
    }
    (apart, apart.max(at_most))
}

/// The chance that two samples of n and m of one distribution are at least this far apart (times n·m).
fn chance(n: u64, m: u64, apart: u128) -> (f64, bool) {
    if apart == 0 {
        return (1.0, true);
    }
    if n == m && n <= EXACT_ROWS {
        return (equal_sizes(n, apart / u128::from(n)), true);
    }
    if n.max(m) <= EXACT_ROWS && n * m <= EXACT_WORK {
        return (lattice(n, m, apart), true);
    }
    let whole = f64_of(u128::from(n) * u128::from(m));
    (limiting(f64_of(apart) / whole, (1.0 / scatter(n, m)).round()), false)
}

/// The chance of a distance of at least `h` steps between two samples of n: Gnedenko and Korolyuk (1951).
///
/// P = 2 (A₁ − A₂ + A₃ − …) with A_k = C(2n, n − kh) / C(2n, n), nested so that nothing is subtracted that is large.
fn equal_sizes(n: u64, h: u128) -> f64 {
    let Some(h) = u64::try_from(h).ok().filter(|h| (1..=n).contains(h)) else { return 1.0 };
    let mut nested = 0.0;
    for k in (0..=n / h).rev() {
        let factor: f64 = (0..h)
            .map(|j| (n as f64 - (k * h) as f64 - j as f64) / (n as f64 + (k * h) as f64 + j as f64 + 1.0))
            .product();
        nested = factor * (1.0 - nested);
    }
    (2.0 * nested).clamp(0.0, 1.0)
}

/// The part of the lattice paths from (0, 0) to (n, m) that reach a point (i, j) with |i·m − j·n| ≥ `apart`.
///
/// A random path comes to (i, j) from the left with chance i / (i + j), from below with j / (i + j). Hodges (1958),
/// Arkiv för Matematik 3, 469–486; as chances instead of counts: Viehmann (2021), arXiv:2102.08037.
fn lattice(n: u64, m: u64, apart: u128) -> f64 {
    let apart = u64::try_from(apart).unwrap_or(u64::MAX);
    let outside = |i: u64, j: u64| (i * m).abs_diff(j * n) >= apart;
    let mut column: Vec<f64> = (0..=m).map(|j| if outside(0, j) { 1.0 } else { 0.0 }).collect();
    for i in 1..=n {
        let mut below = 0.0;
        for (j, left) in (0..=m).zip(column.iter_mut()) {
            let here = if outside(i, j) {
                1.0
            } else {
                (*left * i as f64 + below * j as f64) / (i as f64 + j as f64)
            };
            *left = here;
            below = here;
        }
    }
    column.last().copied().unwrap_or(1.0).clamp(0.0, 1.0)
}

/// Kolmogorov's limiting distribution for a sample of `n`, with the correction of Vrbik (2018), Pioneer Journal of
/// Theoretical and Applied Statistics 15, 15–23: z + 1/(6√n) + (z − 1)/(4n) in place of z = √n · D.
fn limiting(distance: f64, n: f64) -> f64 {
    let n = n.max(1.0);
    let z = n.sqrt() * distance;
    let z = z + 1.0 / (6.0 * n.sqrt()) + (z - 1.0) / (4.0 * n);
    if z < 0.2 {
        return 1.0;
    }
    if z < 1.0 {
        // The other series of the same function: this one converges where that one does not.
        let factor = std::f64::consts::PI.powi(2) / (8.0 * z * z);
        let sum: f64 = (1..=20).map(|k| (-f64::from(2 * k - 1).powi(2) * factor).exp()).sum();
        return (1.0 - (2.0 * std::f64::consts::PI).sqrt() / z * sum).clamp(0.0, 1.0);
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * z * z).exp()
    };
    (2.0 * (1..=20).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test(reference: &[f64], current: &[f64]) -> Option<Test> {
        let mut sketch = Sketch::new(10_000);
        reference.iter().for_each(|value| sketch.push(REFERENCE, *value));
        current.iter().for_each(|value| sketch.push(CURRENT, *value));
        sketch.settle();
        Test::of(&sketch)
    }

    #[test]
    fn distances_as_worked_out_by_hand() {
        assert_eq!(test(&[1.0, 2.0, 3.0], &[4.0, 5.0]).unwrap().distance, 1.0);
        assert_eq!(test(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]).unwrap().distance, 0.5);
        // Ties: to the right of 1 the functions are 2/3 and 1/3.
        assert!((test(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]).unwrap().distance - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(test(&[], &[1.0]), None);
    }

    #[test]
    fn chances_as_worked_out_by_hand() {
        // Of the 20 orders of three and three, two keep both samples wholly apart.
        assert!((test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap().p - 0.1).abs() < 1e-12);
        // Of the 10 orders of three and two, two do.
        assert!((test(&[1.0, 2.0, 3.0], &[4.0, 5.0]).unwrap().p - 0.2).abs() < 1e-12);
        assert_eq!(test(&[1.0, 2.0], &[1.0, 2.0]).unwrap().p, 1.0);
    }

    #[test]
    fn chances_are_those_of_scipy() {
        let text = include_str!("../../../fixtures/statistics/expected.json");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in document["kolmogorov"].as_array().unwrap() {
            let whole = |key: &str| case[key].as_u64().unwrap();
            let (found, exact) = chance(whole("n"), whole("m"), whole("apart").into());
            let wanted = case["p"].as_f64().unwrap();
            assert_eq!(exact, case["exact"].as_bool().unwrap(), "{case}");
            // The limiting distribution is good to three digits after the point at such sizes.
            let allowed = if exact { 1e-9 } else { 1e-4 };
            assert!((found - wanted).abs() < allowed, "{case}: {found}");
        }
    }

    #[test]
    fn both_ways_to_an_exact_chance_agree() {
        for (n, h) in [(5_u64, 3_u64), (20, 7), (50, 12), (200, 30)] {
            let (closed, paths) = (equal_sizes(n, h.into()), lattice(n, n, u128::from(h * n)));
            assert!((closed - paths).abs() < 1e-12, "{n} {h}: {closed} {paths}");
        }
    }

    #[test]
    fn the_limiting_distribution_joins_its_series_and_the_exact_one() {
        let joint = 1.0 - 1.0 / (6.0 * 1000.0);
        let (below, above) = (limiting((joint - 1e-7) / 1000.0, 1e6), limiting((joint + 1e-7) / 1000.0, 1e6));
        assert!((below - above).abs() < 1e-6, "{below} {above}");
        let exact = lattice(1000, 900, 60_000);
        let (near, _) = (limiting(60_000.0 / 900_000.0, 474.0), ());
        assert!((exact - near).abs() < 0.01, "{exact} {near}");
        assert_eq!(limiting(0.0, 1e6), 1.0);
    }

    #[test]
    fn what_neighbours_hide_is_known() {
        let mut sketch = Sketch::new(50);
        for at in 0..5000 {
            sketch.push(REFERENCE, 1.0 + f64::from(at) / 5000.0);
            sketch.push(CURRENT, 1.0 + f64::from(at) / 5000.0 + 0.05);
        }
        sketch.settle();
        let test = Test::of(&sketch).unwrap();
        assert!(!sketch.exact() && test.blur > 0.0);
        assert!(test.distance <= 0.05 + 1e-9 && test.distance + test.blur >= 0.05, "{test:?}");
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_within_bounds(
            reference in proptest::collection::vec(-5..5_i32, 1..60),
            current in proptest::collection::vec(-5..5_i32, 1..60),
        ) {
            let [reference, current] = [reference, current].map(|v| v.into_iter().map(f64::from).collect::<Vec<_>>());
            let (one, other) = (test(&reference, &current).unwrap(), test(&current, &reference).unwrap());
            prop_assert_eq!(one.distance, other.distance);
            prop_assert!((one.p - other.p).abs() < 1e-9, "{} {}", one.p, other.p);
            prop_assert!((0.0..=1.0).contains(&one.distance) && (0.0..=1.0).contains(&one.p));
            prop_assert_eq!(test(&reference, &reference).unwrap().distance, 0.0);
        }

        #[test]
        fn a_larger_distance_is_less_likely(n in 2..80_u64, m in 2..80_u64, h in 1..80_u64) {
            let apart = u128::from(h.min(n.min(m) - 1) * n.max(m));
            let step = u128::from(n.max(m));
            prop_assert!(chance(n, m, apart).0 >= chance(n, m, apart + step).0 - 1e-12);
        }
    }
}
