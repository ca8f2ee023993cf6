//! Shuffles that anybody can repeat: SplitMix64 and the Fisher-Yates shuffle.

/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (OOPSLA 2014), with Vigna's constants.
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    /// Numbers that begin with this seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`: the upper half of the product. Its bias is below `bound` in 2^64.
    fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * (bound as u128);
        // The upper half is below `bound`, so it fits.
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Shuffles (Durstenfeld's form: from the last place down, each with a place up to its own).
    pub(super) fn shuffle(&mut self, values: &mut [f64]) {
        for place in (1..values.len()).rev() {
            let other = self.below(place + 1);
            values.swap(place, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        // The first values for the seed 1234567 as the reference implementation gives them.
        let mut random = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_shuffle_loses_nothing_and_repeats() {
        let original: Vec<f64> = (0..50).map(f64::from).collect();
        let shuffled = |seed| {
            let mut values = original.clone();
            SplitMix64::new(seed).shuffle(&mut values);
            values
        };
        let mut sorted = shuffled(42);
        assert_eq!(sorted, shuffled(42));
        assert_ne!(sorted, original);
        assert_ne!(sorted, shuffled(43));
        sorted.sort_by(f64::total_cmp);
        assert_eq!(sorted, original);
        SplitMix64::new(1).shuffle(&mut []);
    }
}
