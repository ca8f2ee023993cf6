//! The way from some weights to others, step by step, never back and forth.

use super::Weights;

/// The weights after each step; the last are `to`. A weight that is not written yet, or is to be none, changes in the
/// last step.
pub fn way(from: &Weights, to: &Weights, steps: u64) -> Vec<Weights> {
    let total = |weights: &Weights| weights.values().flatten().copied().sum::<u64>();
    let mut way: Vec<Weights> = Vec::new();
    for step in 1..steps {
        let mut at: Weights = to
            .iter()
            .map(|(name, wanted)| {
                let held = from.get(name).copied().flatten();
                let weight = match (held, wanted) {
                    (Some(held), Some(wanted)) => Some(between(held, *wanted, step, steps)),
                    _ => held,
                };
                (name.clone(), weight)
            })
            .collect();
        // Rounding may lose one or two of the sum: the weight that has most gets them.
        let (is, should) = (total(&at), between(total(from), total(to), step, steps));
        if let Some(most) = at.values_mut().flatten().max() {
            *most = (*most + should).saturating_sub(is);
        }
        way.push(at);
    }
    way.push(to.clone());
    way.dedup();
    way.retain(|step| step != from);
    way
}

fn between(from: u64, to: u64, step: u64, steps: u64) -> u64 {
    let moved = from.abs_diff(to).saturating_mul(step) / steps;
    if to >= from { from + moved } else { from - moved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(stable: u64, canary: u64) -> Weights {
        Weights::from([("stable".to_owned(), Some(stable)), ("canary".to_owned(), Some(canary))])
    }

    #[test]
    fn halves_and_ends() {
        let way = way(&weights(0, 100), &weights(100, 0), 2);
        assert_eq!(way, [weights(50, 50), weights(100, 0)]);
        assert_eq!(super::way(&weights(90, 10), &weights(100, 0), 1), [weights(100, 0)]);
        assert!(super::way(&weights(1, 2), &weights(1, 2), 5).is_empty());
    }

    proptest! {
        #[test]
        fn never_back_and_the_sum_stays(from in 0_u64..=100, to in 0_u64..=100, steps in 1_u64..=20) {
            let mut last = from;
            for step in way(&weights(100 - from, from), &weights(100 - to, to), steps) {
                let canary = step["canary"].unwrap();
                prop_assert_eq!(canary + step["stable"].unwrap(), 100);
                let onwards = if to >= from { canary >= last } else { canary <= last };
                prop_assert!(onwards);
                last = canary;
            }
            prop_assert_eq!(last, to);
        }
    }
}
