//! How thorough sweeps of kills are: `IRCTL_SWEEP=all` kills everywhere, as `make sweep` does; otherwise a few kills
//! spread over the whole, the same ones each time, run with the other tests.

#![allow(dead_code)] // Each test program uses a part of it.

/// Whether everything is to be swept.
pub fn everything() -> bool {
    std::env::var("IRCTL_SWEEP").is_ok_and(|value| value == "all")
}

/// Every how many places there is a kill: each, or every `quick`-th; `IRCTL_SWEEP=7` makes it every seventh.
pub fn stride(quick: usize) -> usize {
    let asked = std::env::var("IRCTL_SWEEP").ok().and_then(|value| value.parse().ok());
    if everything() { 1 } else { asked.unwrap_or(quick).max(1) }
}

/// How many kills there must have been at least, where there are `all` when everything is swept.
pub fn at_least(all: usize, quick: usize) -> usize {
    (all / stride(quick)).max(1)
}
