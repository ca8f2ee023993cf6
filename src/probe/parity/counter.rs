//! Failures as Prometheus counts them.

use chrono::TimeDelta;

use super::{Counted, ParityCounter, counting};
use crate::base::clock::format_instant;
use crate::base::{Digest, Duration};
use crate::probe::Request;
use crate::probe::prometheus::{Client, Found, fresh};
use crate::store::Sample;

/// How far before a window it is looked for where a series stood when the window began: as far as Prometheus itself
/// looks back for a value.
const BEFORE: TimeDelta = TimeDelta::minutes(5);

/// Counts.
///
/// Twice the window is asked for, and at least [`BEFORE`] more than it.
pub(super) fn count(
    config: &ParityCounter,
    window: Option<Duration>,
    last: Option<&Sample>,
    request: &Request<'_>,
) -> Result<Counted, String> {
    let now = request.now;
    let window = match (window, last) {
        (Some(window), _) => window.approximate(),
        (None, Some(last)) => now - last.event_time,
        (None, None) => {
            return Err("there was no look before this one: from the next one on, what comes is counted \
                        (`window` counts at once)"
                .to_owned());
        }
    };
    let window = window.max(TimeDelta::seconds(1));
    let start = now - window;
    let timeout = config.timeout.unwrap_or(Duration::seconds(10)).to_std();
    let client = Client::new(&config.url, &config.headers, timeout)?;
    let range = window + window.max(BEFORE);
    let asked = format!("{}[{}ms]", config.counter.trim(), range.num_milliseconds());
    let answer = client.instant(&asked, Some(now))?;
    if let Some(warning) = answer.warnings.first() {
        return Err(format!("the answer may be partial: {warning}"));
    }
    let Found::Matrix(series) = answer.found else {
        return Err("the counter has to be a selector, without a function".to_owned());
    };
    let newest = series.iter().filter_map(|one| one.points.last()).map(|point| point.at).max();
    let newest = newest.ok_or("Prometheus has no such counter")?;
    fresh(newest, now, config.max_age.unwrap_or(Duration::minutes(2)).approximate())?;
    let (mut sum, mut resets, mut began, mut points) = (0.0, 0, 0, 0);
    for one in &series {
        let values: Vec<_> = one.points.iter().map(|point| (point.at, point.value)).collect();
        let grown = counting::increase(&values, start)?;
        sum += grown.value;
        resets += grown.resets;
        began += u64::from(grown.began);
        points += values.iter().filter(|(at, _)| *at > start).count() as u64;
    }
    if points == 0 {
        return Err(format!("Prometheus has no value since {}", format_instant(start)));
    }
    let mut looked = format!("{} series, {points} values", series.len());
    if resets > 0 {
        looked.push_str(&format!(", {resets} began again at zero"));
    }
    if began > 0 {
        looked.push_str(&format!(", {began} new, counted from zero"));
    }
    let facts = vec![
        ("server", config.url.to_string()),
        ("counter", config.counter.trim().to_owned()),
        ("since", format_instant(start)),
        ("looked at", looked),
        ("as of", format_instant(newest)),
    ];
    let input = Digest::of(format!("{series:?}").as_bytes());
    Ok(Counted { failures: Ok(sum), total: None, input, rows: points, facts })
}
