//! Ordinary least squares with an intercept, as far as R² goes.
//!
//! The features, each less its mean, are made orthonormal by the modified Gram-Schmidt process with a second pass
//! (Björck, Numerical Methods for Least Squares Problems, 1996, 2.4). What a target has along them is explained, what is
//! left is the residual: R² = 1 − Σ residual² / Σ (y − ȳ)². A feature that the others already give is left out: it
//! changes no prediction.

/// Below this part of its own length, what is left of a feature is rounding.
const DEPENDENT: f64 = 1e-10;

/// Features, ready to explain targets.
pub(super) struct Basis {
    directions: Vec<Vec<f64>>,
    rows: usize,
    /// How many features were left out because they are constant or given by the others.
    pub(super) dependent: usize,
}

impl Basis {
    /// A basis of these features; all have `rows` finite values.
    pub(super) fn new<'a>(features: impl Iterator<Item = &'a [f64]>, rows: usize) -> Self {
        let mut basis = Self { directions: Vec::new(), rows, dependent: 0 };
        for feature in features {
            basis.add(feature);
        }
        basis
    }

    /// How many features explain something of their own.
    pub(super) fn rank(&self) -> usize {
        self.directions.len()
    }

    fn add(&mut self, feature: &[f64]) {
        let Some((mut left, length)) = centred(feature) else {
            self.dependent += 1;
            return;
        };
        for _ in 0..2 {
            self.take_away(&mut left);
        }
        let remaining = norm(&left);
        if remaining <= DEPENDENT * length {
            self.dependent += 1;
            return;
        }
        left.iter_mut().for_each(|value| *value /= remaining);
        self.directions.push(left);
    }

    /// Takes away what a vector has along each direction.
    fn take_away(&self, left: &mut [f64]) {
        for direction in &self.directions {
            let along: f64 = direction.iter().zip(left.iter()).map(|(a, b)| a * b).sum();
            left.iter_mut().zip(direction).for_each(|(value, part)| *value -= along * part);
        }
    }

    /// R² of the fit to a target; `None` where the target is constant or has another length.
    pub(super) fn r_squared(&self, target: &[f64]) -> Option<f64> {
        if target.len() != self.rows {
            return None;
        }
        let (mut left, length) = centred(target)?;
        self.take_away(&mut left);
        let residual = norm(&left) / length;
        Some(1.0 - residual * residual)
    }
}

/// R² of predictions: 1 − Σ(a − p)² / Σ(a − ā)². `None` where the actual values are constant.
pub(super) fn r_squared(actual: &[f64], predicted: &[f64]) -> Option<f64> {
    let (_, length) = centred(actual)?;
    let errors: Vec<f64> = actual.iter().zip(predicted).map(|(a, p)| a - p).collect();
    let error = norm(&errors) / length;
    Some(1.0 - error * error)
}

/// Values less their mean, and their length; `None` where they are constant, but for rounding.
fn centred(values: &[f64]) -> Option<(Vec<f64>, f64)> {
    let count = values.len() as f64;
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if values.len() < 2 || largest == 0.0 {
        return None;
    }
    // A sum of scaled values cannot overflow.
    let mean = values.iter().map(|value| value / largest).sum::<f64>() / count * largest;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let length = norm(&centred);
    (length > f64::EPSILON * largest * count.sqrt() * 8.0).then_some((centred, length))
}

/// The Euclidean length; scaled, so that squares neither overflow nor vanish.
fn norm(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let squares: f64 = values.iter().map(|value| (value / largest) * (value / largest)).sum();
    squares.sqrt() * largest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(features: &[&[f64]]) -> Basis {
        let rows = features.first().map_or(0, |feature| feature.len());
        Basis::new(features.iter().copied(), rows)
    }

    fn near(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-12)
    }

    #[test]
    fn what_is_a_sum_of_features_is_explained_and_noise_is_not() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 0.0, 1.0, 0.0]);
        let target: Vec<f64> = a.iter().zip(b).map(|(a, b)| 7.0 + 3.0 * a - 2.0 * b).collect();
        assert!(near(basis(&[&a, &b]).r_squared(&target), 1.0));
        // The correlation of 1..6 with this is r = 0.6; alone it explains r².
        let other = [2.0, 1.0, 4.0, 3.0, 6.0, 5.0];
        let r: f64 = 1.0 - 6.0 * 6.0 / (6.0 * 35.0);
        assert!(near(basis(&[&a]).r_squared(&other), r * r));
    }

    #[test]
    fn constant_and_repeated_features_are_left_out() {
        let a = [1.0, 2.0, 3.0, 4.5];
        let twice: Vec<f64> = a.iter().map(|value| value * 2.0 + 1e6).collect();
        let with = basis(&[&a, &[0.1, 0.1, 0.1, 0.1], &twice]);
        assert_eq!((with.rank(), with.dependent), (1, 2));
        let target = [1.0, 3.0, 2.0, 5.0];
        assert!(near(with.r_squared(&target), basis(&[&a]).r_squared(&target).unwrap()));
    }

    #[test]
    fn a_constant_target_has_no_r_squared() {
        let a = [1.0, 2.0, 3.0];
        for target in [[0.1, 0.1, 0.1], [0.0; 3], [1e300, 1e300, 1e300]] {
            assert_eq!(basis(&[&a]).r_squared(&target), None);
            assert_eq!(r_squared(&target, &a), None);
        }
        assert_eq!(basis(&[&a]).r_squared(&[1.0]), None);
        assert_eq!(r_squared(&[1.0], &[1.0]), None);
        assert_eq!(r_squared(&[], &[]), None);
    }

    #[test]
    fn predictions_can_be_worse_than_the_mean() {
        let actual = [1.0, 2.0, 3.0];
        assert!(near(r_squared(&actual, &actual), 1.0));
        assert!(near(r_squared(&actual, &[2.0, 2.0, 2.0]), 0.0));
        assert!(near(r_squared(&actual, &[3.0, 2.0, 1.0]), -3.0));
        assert!(near(r_squared(&[1e200, 2e200, 3e200], &[1e200, 2e200, 4e200]), 0.5));
    }
}
