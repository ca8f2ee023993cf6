//! One of several parts of all services, so that several machines, or several lines of a crontab, share a round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::base::{Digest, Error, ErrorCode, Result};

/// The most parts that there may be.
const MOST: u32 = 1024;

/// `3/16`: the third of sixteen parts.
///
/// A service belongs to the part that the SHA-256 of its name says, whatever other services there are: what is added
/// or removed moves nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which part, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

impl Shard {
    /// Whether a service belongs to this part.
    pub fn has(&self, service: &str) -> bool {
        part(service, self.of) == self.number
    }
}

/// The part of `of` that a service belongs to, from 1: the first 64 bits of the SHA-256 of its name, modulo `of`.
fn part(service: &str, of: u32) -> u32 {
    let digest = Digest::of(service.as_bytes()).to_string();
    let hexadecimal = digest.rsplit(':').next().and_then(|digits| digits.get(..16)).unwrap_or_default();
    let hash = u64::from_str_radix(hexadecimal, 16).unwrap_or_default();
    u32::try_from(hash % u64::from(of.max(1))).unwrap_or_default() + 1
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (number, of) = text.split_once('/')?;
            let (number, of): (u32, u32) = (number.parse().ok()?, of.parse().ok()?);
            ((1..=of).contains(&number) && of <= MOST).then_some(Self { number, of })
        };
        read().ok_or_else(|| {
            Error::new(ErrorCode::Usage, format!("`{}` is no part of a whole", text.escape_debug()))
                .hint(format!("write it like --shard 3/16: the third of sixteen, of {MOST} at most"))
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_parts_together_have_every_service_once(
            names in proptest::collection::btree_set("[a-z0-9_.é-]{1,24}", 0..60),
            of in 1_u32..40,
        ) {
            let shards: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            for name in &names {
                prop_assert_eq!(shards.iter().filter(|shard| shard.has(name)).count(), 1, "{}", name);
            }
        }

        #[test]
        fn what_is_printed_is_read_again(of in 1_u32..=MOST, seed in any::<u32>()) {
            let shard = Shard { number: seed % of + 1, of };
            prop_assert_eq!(shard.to_string().parse::<Shard>().unwrap(), shard);
        }
    }

    #[test]
    fn parts_are_of_about_the_same_size_and_stay_what_they_are() {
        let counts = (0..16_000).fold([0_u32; 16], |mut counts, number| {
            counts[part(&format!("service-{number}"), 16) as usize - 1] += 1;
            counts
        });
        assert!(counts.iter().all(|count| (850..=1150).contains(count)), "{counts:?}");
        // Written down, since a later version that chose others would check some services twice and others never.
        let parts: Vec<_> = ["rila_6y20b", "exchange", "a", ""].iter().map(|name| part(name, 16)).collect();
        assert_eq!(parts, PARTS);
    }

    const PARTS: [u32; 4] = [9, 2, 11, 5];

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["", "3", "0/4", "5/4", "1/0", "1/5000", "a/b", "1/2/3", "-1/2", "1.0/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
