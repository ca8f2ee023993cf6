//! Lines and their instants.

use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone as _, Utc};

use super::grammar::{LinePattern, TimeFormat, Written};
use crate::probe::Zone;

/// How far into a line its instant is looked for where nothing says where it stands, in bytes.
const HEAD: usize = 128;

/// Where in a line its instant stands, and how it is written.
pub(super) struct Stamps<'a> {
    pub at: Option<&'a LinePattern>,
    pub format: Option<&'a TimeFormat>,
    pub zone: Zone,
    /// The instant of the round, for times without a year.
    pub now: DateTime<Utc>,
}

impl Stamps<'_> {
    /// The instant of a line, if it has one; `before` is that of the line before it. Lines stand in the order of time: a
    /// local time that comes twice is the earlier one that does not go back.
    pub fn read(&self, line: &[u8], before: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let place = match self.at {
            Some(at) => at.group(line)?,
            None => line.get(..HEAD).unwrap_or(line),
        };
        let text = place.utf8_chunks().next()?.valid();
        let written = match self.format {
            Some(format) => format.read(text, self.now.with_timezone(&self.zone.0).naive_local())?,
            None => rfc3339(text)?,
        };
        match written {
            Written::Instant(instant) => Some(instant),
            Written::Local(local) => {
                let found = self.zone.0.from_local_datetime(&local);
                let (earlier, later) = (found.earliest()?, found.latest()?);
                let goes_back = before.is_some_and(|before| earlier < before && later >= before);
                Some(if goes_back { later } else { earlier }.with_timezone(&Utc))
            }
        }
    }

    /// The first instant in a text.
    pub fn first(&self, text: &[u8]) -> Option<DateTime<Utc>> {
        lines(text).find_map(|line| self.read(line, None))
    }
}

/// The lines of a text without their ends, and without NULs before them: a file that is cut off while its writer goes on
/// where it was has a hole.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = (!text.is_empty()).then(|| text.split(|byte| *byte == b'\n'));
    lines.into_iter().flatten().map(|line| {
        let begin = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let line = line.get(begin..).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// `2026-11-20T03:00:00.123Z` at the beginning of a text, maybe after `[`: a space may stand for the T, a comma for the
/// point, and the offset may be missing or without its colon.
fn rfc3339(text: &str) -> Option<Written> {
    let text = text.strip_prefix('[').unwrap_or(text);
    let (date, rest) = text.split_at_checked(10)?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = three(time)?;
    // A leap second is told as the one before it.
    let time = date.and_hms_opt(hour, minute, if second == 60 { 59 } else { second })?;
    let (nanoseconds, rest) = fraction(rest)?;
    let local = time.checked_add_signed(chrono::TimeDelta::nanoseconds(nanoseconds))?;
    Some(match offset(rest) {
        Some(offset) => Written::Instant(local.and_local_timezone(offset).single()?.with_timezone(&Utc)),
        None => Written::Local(local),
    })
}

fn three(time: &str) -> Option<[u32; 3]> {
    let mut parts = time.split(':').map(|part| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Nanoseconds behind a point or a comma, and what comes after them.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    Some((nine.parse().ok()?, rest))
}

fn offset(text: &str) -> Option<FixedOffset> {
    if text.starts_with(['Z', 'z']) {
        return FixedOffset::east_opt(0);
    }
    let text = text.strip_prefix(' ').unwrap_or(text);
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, rest) = rest.split_at_checked(2)?;
    let (minutes, _) = rest.strip_prefix(':').unwrap_or(rest).split_at_checked(2)?;
    let digits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok())?;
    FixedOffset::east_opt(sign * (digits(hours)? * 3600 + digits(minutes)? * 60))
}

/// What lines are counted as.
pub(super) struct Count {
    patterns: Vec<LinePattern>,
    /// Lines from this instant on are in the window.
    pub from: DateTime<Utc>,
    since: DateTime<Utc>,
    /// Lines after this instant are of the future.
    until: DateTime<Utc>,
    /// Lines of the window that each pattern was found in.
    pub matched: Vec<u64>,
    /// Lines of the window.
    pub lines: u64,
    /// Lines after `since`.
    pub after: u64,
    /// Lines that were read.
    pub read: u64,
    /// Lines before the first instant.
    pub without: u64,
    /// The instant that was read first. Lines stand in the order of time, so those before it are older.
    pub oldest: Option<DateTime<Utc>>,
    /// The latest instant.
    pub newest: Option<DateTime<Utc>>,
    /// An instant that has not come yet.
    pub future: Option<DateTime<Utc>>,
    current: Option<DateTime<Utc>>,
}

impl Count {
    /// Nothing yet. Lines in the window are those from `from` on, others those after `since`.
    pub fn new(patterns: Vec<LinePattern>, [from, since]: [DateTime<Utc>; 2], until: DateTime<Utc>) -> Self {
        let matched = vec![0; patterns.len()];
        let (oldest, newest, future, current) = (None, None, None, None);
        let (lines, after, read, without) = (0, 0, 0, 0);
        Self {
            patterns,
            from,
            since,
            until,
            matched,
            lines,
            after,
            read,
            without,
            oldest,
            newest,
            future,
            current,
        }
    }

    /// Counts the lines of a text that follows what was counted before.
    pub fn add(&mut self, text: &[u8], stamps: &Stamps<'_>) {
        for line in lines(text) {
            self.read += 1;
            if let Some(at) = stamps.read(line, self.current) {
                self.oldest = self.oldest.or(Some(at));
                self.newest = self.newest.max(Some(at));
                self.current = Some(at);
                if at > self.until {
                    self.future = self.future.max(Some(at));
                }
            }
            match self.current {
                Some(at) => self.count(line, at),
                // An empty line says nothing that could be missed.
                None => self.without += u64::from(!line.is_empty()),
            }
        }
    }

    fn count(&mut self, line: &[u8], at: DateTime<Utc>) {
        self.after += u64::from(at > self.since);
        if at < self.from {
            return;
        }
        self.lines += 1;
        for (matched, pattern) in self.matched.iter_mut().zip(&self.patterns) {
            *matched += u64::from(pattern.is_in(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{format_instant, parse_instant};

    fn night() -> DateTime<Utc> {
        parse_instant("2026-11-20T03:00:00Z").unwrap()
    }

    fn stamps(zone: &str) -> Stamps<'static> {
        Stamps { at: None, format: None, zone: zone.parse().unwrap(), now: night() }
    }

    fn read(line: &str) -> Option<String> {
        stamps("Europe/Berlin").read(line.as_bytes(), None).map(format_instant)
    }

    #[test]
    fn instants_as_logs_have_them() {
        let utc = Some("2026-11-20T03:00:00Z".to_owned());
        for line in [
            "2026-11-20T03:00:00Z started",
            "2026-11-20 03:00:00+00:00",
            "[2026-11-20T05:00:00+0200] x",
            "2026-11-19 22:00:00 -0500 x",
            "2026-11-20 04:00:00 local time in Berlin",
            "2026-11-20T03:00:00z",
        ] {
            assert_eq!(read(line), utc, "{line}");
        }
        assert_eq!(read("2026-11-20 04:00:00,123 - root - ERROR"), Some("2026-11-20T03:00:00.123Z".into()));
        assert_eq!(read("2026-11-20T03:00:00.123456789Z"), Some("2026-11-20T03:00:00.123Z".into()));
        assert_eq!(read("2026-10-25 02:30:00 comes twice"), Some("2026-10-25T00:30:00Z".into()));
        for line in [
            "",
            "  at main (main.rs:3)",
            "2026-11-20",
            "2026-13-20T03:00:00Z",
            "2026-11-20T25:00:00Z",
            "2026-11-20T3:00:00Z",
            "20261120T030000Z",
            "2026-11-20X03:00:00Z",
            "2026-03-29 02:30:00 never was",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(stamps("UTC").read(b"\xff2026-11-20T03:00:00Z", None), None);
    }

    #[test]
    fn instants_elsewhere_and_otherwise() {
        let at: LinePattern = r"\[([^]]+)\]".parse().unwrap();
        let format: TimeFormat = "%d/%b/%Y:%H:%M:%S %z".parse().unwrap();
        let stamps = Stamps { at: Some(&at), format: Some(&format), zone: Zone::default(), now: night() };
        let line = b"203.0.113.9 - - [20/Nov/2026:04:00:00 +0100] \"GET / HTTP/1.1\" 500 12";
        assert_eq!(stamps.read(line, None), Some(parse_instant("2026-11-20T03:00:00Z").unwrap()));
        assert_eq!(stamps.read(b"no instant", None), None);
    }

    #[test]
    fn lines_without_an_instant_belong_to_the_line_before() {
        let instant = |text: &str| parse_instant(text).unwrap();
        let [from, since] = [instant("2026-11-20T02:00:00Z"), instant("2026-11-20T02:30:00Z")];
        let patterns = vec!["error".parse().unwrap(), "trace".parse().unwrap()];
        let mut count = Count::new(patterns, [from, since], instant("2026-11-20T03:00:00Z"));
        let text = "error of whom?\n2026-11-20T01:59:59Z error\n trace\n2026-11-20T02:00:00Z error error\n trace\n\
                    2026-11-20T02:30:00Z fine\n2026-11-20T02:30:01Z error\r\n";
        let (one, two) = text.split_at(70);
        let cut = one.rfind('\n').unwrap() + 1;
        let whole = format!("{}{two}", &one[cut..]);
        count.add(&text.as_bytes()[..cut], &stamps("UTC"));
        count.add(whole.as_bytes(), &stamps("UTC"));
        assert_eq!((count.matched.as_slice(), count.lines, count.after), (&[2, 1][..], 4, 1));
        assert_eq!((count.read, count.without, count.future), (7, 1, None));
        assert_eq!(count.oldest, Some(instant("2026-11-20T01:59:59Z")));
        count.add(b"2026-11-20T09:00:00Z\n2026-11-20T02:10:00Z\n", &stamps("UTC"));
        assert_eq!((count.future, count.newest), (Some(instant("2026-11-20T09:00:00Z")), count.future));
    }

    #[test]
    fn the_hour_that_comes_twice_goes_on() {
        // In Berlin the clocks go back from 03:00 to 02:00 at 01:00 UTC.
        let instant = |text: &str| parse_instant(text).unwrap();
        let [from, since] = [instant("2026-10-25T01:00:00Z"), instant("2026-10-25T01:15:00Z")];
        let mut count =
            Count::new(vec!["error".parse().unwrap()], [from, since], instant("2026-10-25T01:31:00Z"));
        let text = "2026-10-25 02:10:00 error\n2026-10-25 02:59:00 fine\n2026-10-25 02:10:00 error\n\
                    2026-10-25 02:20:00 error\n";
        count.add(text.as_bytes(), &stamps("Europe/Berlin"));
        assert_eq!((count.matched.as_slice(), count.lines, count.after), (&[2][..], 2, 1));
        assert_eq!((count.newest, count.future), (Some(instant("2026-10-25T01:20:00Z")), None));
    }

    #[test]
    fn nothing_has_no_lines_and_holes_are_skipped() {
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"\n").count(), 0);
        let found: Vec<_> = lines(b"\0\0\0a\r\n\nb").collect();
        assert_eq!(found, [&b"a"[..], b"", b"b"]);
    }
}
