//! What the kernel tells of processors and memory (`proc(5)`).

/// Ticks that all processors together have spent since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    idle: u64,
    wait: u64,
    all: u64,
}

impl Ticks {
    /// The line `cpu` of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (guest time is in user's).
    pub fn parse(text: &str) -> Result<Self, String> {
        let odd = || "/proc/stat has no line `cpu` with its times".to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("cpu ")).ok_or_else(odd)?;
        let times: Option<Vec<u64>> = line.split_whitespace().take(8).map(|time| time.parse().ok()).collect();
        match times.as_deref() {
            Some(times @ [_, _, _, idle, wait, ..]) => {
                Ok(Self { idle: *idle, wait: *wait, all: times.iter().sum() })
            }
            _ => Err(odd()),
        }
    }

    /// The parts of the time since then that were busy and that waited for a disk.
    #[expect(clippy::cast_precision_loss, reason = "the ticks of a minute are far below 2^53")]
    pub fn since(&self, before: &Self) -> Result<(f64, f64), String> {
        // The kernel says itself that iowait may go backwards.
        let passed = |now: u64, then: u64| now.checked_sub(then);
        let all = passed(self.all, before.all).filter(|all| *all > 0);
        let (Some(all), Some(idle)) = (all, passed(self.idle, before.idle)) else {
            return Err("the processors' time did not go on while it was watched".to_owned());
        };
        let wait = passed(self.wait, before.wait).unwrap_or(0);
        let busy = all.saturating_sub(idle).saturating_sub(wait);
        Ok((busy as f64 / all as f64, wait.min(all) as f64 / all as f64))
    }
}

/// How many processors `/proc/stat` has a line for.
pub(super) fn processors(text: &str) -> Result<usize, String> {
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match text.lines().filter(numbered).count() {
        0 => Err("/proc/stat names no processor".to_owned()),
        count => Ok(count),
    }
}

/// The mean numbers of processes that run or wait, over 1, 5 and 15 minutes (`/proc/loadavg`).
pub(super) fn loads(text: &str) -> Result<[f64; 3], String> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    match [numbers.next(), numbers.next(), numbers.next()] {
        [Some(Ok(one)), Some(Ok(five)), Some(Ok(fifteen))] => Ok([one, five, fifteen]),
        _ => Err("/proc/loadavg does not begin with three numbers".to_owned()),
    }
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    pub total: f64,
    /// What programs could have without swapping, by the kernel's estimate.
    pub available: f64,
}

/// Reads `/proc/meminfo`.
pub(super) fn memory(text: &str) -> Result<Memory, String> {
    let bytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        number.map(|number| number * 1024.0).ok_or_else(|| format!("/proc/meminfo has no {key}"))
    };
    let memory = Memory { total: bytes("MemTotal")?, available: bytes("MemAvailable")? };
    if memory.total > 0.0 { Ok(memory) } else { Err("/proc/meminfo says that there is no memory".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_busy_idle_or_waiting() {
        let before = Ticks::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2\n").unwrap();
        let after = Ticks::parse("cpu  150 0 65 915 65 2 3 0 9 9\n").unwrap();
        // 50 user, 15 system, 5 interrupts of 200; 15 waiting.
        assert_eq!(after.since(&before).unwrap(), (0.35, 0.075));
        assert!(before.since(&before).is_err(), "no time has passed");
        assert!(before.since(&after).is_err(), "time went backwards");
        for odd in ["", "cpu0 1 2 3 4 5", "cpu  1 2 x 4 5", "cpu  1 2 3"] {
            assert!(Ticks::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn loads_and_counts() {
        assert_eq!(loads("0.93 1.20 0.05 3/812 4711\n").unwrap(), [0.93, 1.2, 0.05]);
        assert!(loads("").is_err() && loads("0.1 x 0.2").is_err());
        assert_eq!(processors("cpu  1\ncpu0 1\ncpu1 1\nintr 5\n").unwrap(), 2);
        assert!(processors("cpu  1\n").is_err());
    }

    #[test]
    fn memory_is_what_programs_could_have() {
        let text = "MemTotal:       2000 kB\nMemFree:         10 kB\nMemAvailable:    500 kB\n";
        assert_eq!(memory(text).unwrap(), Memory { total: 2_048_000.0, available: 512_000.0 });
        assert!(memory("MemTotal: 2000 kB\n").unwrap_err().contains("MemAvailable"));
        assert!(memory("MemTotal: 0 kB\nMemAvailable: 0 kB\n").is_err());
        assert!(memory("MemTotal: many kB\n").is_err());
    }
}
