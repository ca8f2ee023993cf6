//! What a `forecast` probe says after its passes.

use super::bucket;
use super::figures::{Sums, wilson};
use super::join::{self, Closed, Joined, Series};
use super::reading::ForecastReading;
use super::{OF_JOIN, metrics};
use crate::base::digest::Hasher;
use crate::base::{Digest, Unit};
use crate::probe::Outcome;
use crate::probe::dataset::{Kind, Pass, Want};
use crate::probe::scan::Input;
use crate::probe::zone::date_of;
use crate::store::{Bucket, Sample};

/// How many items of a kind are named in a fact.
const NAMED: usize = 5;

pub(super) fn outcome(reading: &ForecastReading<'_>, inputs: &[Input]) -> Outcome {
    let mut outcome = Outcome::new(reading.name);
    let passes: Vec<&Pass> = inputs
        .iter()
        .filter_map(|input| if let Input::Read(pass) = input { Some(pass) } else { None })
        .collect();
    let [predictions, actuals] = passes.as_slice() else {
        let reasons: Vec<&str> = inputs.iter().filter_map(Input::reason).collect();
        return undecided(reading, outcome, &reasons.join("; "));
    };
    facts(reading, predictions, actuals, &mut outcome);
    if let Some(objection) = objection(reading, predictions, actuals) {
        return undecided(reading, outcome, &objection);
    }
    outcome.version_source = Some(join::source(reading.config, reading.request));
    let joined = join::join(&reading.collected, reading.config, reading.request);
    join_facts(reading, &joined, &mut outcome);
    if joined.matched == 0 {
        return undecided(reading, outcome, "no prediction has an actual on its date");
    }
    let input = Digest::of_parts([("predictions", &predictions.digest), ("actuals", &actuals.digest)]);
    of_join(reading, &joined, &input, &mut outcome);
    for (version, series) in &joined.series {
        of_series(reading, version.as_ref(), series, &mut outcome);
    }
    outcome
}

fn undecided(reading: &ForecastReading<'_>, mut outcome: Outcome, reason: &str) -> Outcome {
    for (metric, unit) in metrics(reading.name, reading.config) {
        outcome.samples.push(reading.request.undecided(reading.name, &metric, unit, reason));
    }
    outcome.problem(None, reason);
    outcome
}

/// Why there can be no join. The ends of intervals may be missing: coverage alone needs them.
fn objection(reading: &ForecastReading<'_>, predictions: &Pass, actuals: &Pass) -> Option<String> {
    let config = reading.config;
    let needed = |want: &Want| want.column != config.lower && want.column != config.upper;
    let of = |file: &std::path::Path, pass: &Pass, input: usize| {
        let wants = reading.wants(input);
        let objection = wants.iter().filter(|want| needed(want)).find_map(|want| pass.objection(want));
        objection.map(|objection| format!("{}: {objection}", file.display()))
    };
    let first = of(&config.predictions, predictions, 0).or_else(|| of(&config.actuals, actuals, 1));
    first.or_else(|| {
        let column = config.version_column.as_ref().filter(|_| reading.collected.too_many)?;
        Some(format!("`{column}` has so many different values that they cannot be versions"))
    })
}

fn facts(reading: &ForecastReading<'_>, predictions: &Pass, actuals: &Pass, outcome: &mut Outcome) {
    let config = reading.config;
    for (label, path, pass) in
        [("predictions", &config.predictions, predictions), ("actuals", &config.actuals, actuals)]
    {
        outcome.fact(label, format!("{} ({}), {} rows", path.display(), pass.format.as_str(), pass.rows));
        outcome.fact(&format!("{label} input"), pass.digest.to_string());
    }
    for column in [&config.lower, &config.upper] {
        if let Some(reason) = predictions.objection(&Want::new(column, Kind::Number)) {
            outcome.problem(Some("interval_coverage"), reason);
        }
    }
}

fn join_facts(reading: &ForecastReading<'_>, joined: &Joined, outcome: &mut Outcome) {
    let collected = &reading.collected;
    let rate = if joined.due == 0 {
        "no".to_owned()
    } else {
        Unit::Ratio.show(joined.matched as f64 / joined.due as f64)
    };
    outcome.fact("matched", format!("{} of {} predictions due ({rate})", joined.matched, joined.due));
    if let Some(newest) = joined.newest {
        outcome.fact("newest", date_of(newest).to_string());
    }
    for (count, what) in [
        (joined.unpredicted, "actuals have no prediction"),
        (collected.duplicates + joined.duplicates, "rows repeat a date"),
        (joined.zeros, "actuals are zero and have no relative error"),
        (collected.unknown_actuals, "actuals are not known yet"),
        (collected.undated, "rows have no date"),
    ] {
        if count > 0 {
            outcome.fact("also", format!("{count} {what}"));
        }
    }
    let (rows, names) = &joined.strangers;
    if *rows > 0 {
        let names: Vec<String> =
            names.iter().take(NAMED).map(|name| name.chars().take(12).collect()).collect();
        outcome.problem(
            None,
            format!("{rows} predictions are of versions that are not known: {}", names.join(", ")),
        );
    }
}

fn of_join(reading: &ForecastReading<'_>, joined: &Joined, input: &Digest, outcome: &mut Outcome) {
    let unmatched = joined.due.saturating_sub(joined.matched) + joined.unpredicted;
    let duplicates = reading.collected.duplicates + joined.duplicates;
    let rate = joined.matched as f64 / joined.due.max(1) as f64;
    let values = [joined.matched as f64, rate, unmatched as f64, duplicates as f64, joined.zeros as f64];
    let now = reading.request.now;
    let zone = reading.config.bucket.timezone;
    for ((metric, unit), value) in OF_JOIN.iter().zip(values) {
        let mut sample = reading.request.sample(reading.name, metric, value, *unit);
        sample.event_time = joined.newest.map_or(now, |day| zone.start_of(day).min(now));
        sample.input = Some(input.clone());
        sample.rows = joined.matched;
        outcome.samples.push(sample);
    }
}

/// The samples of one version's closed buckets.
fn of_series(
    reading: &ForecastReading<'_>,
    version: Option<&Digest>,
    series: &Series,
    outcome: &mut Outcome,
) {
    let config = reading.config;
    let every = config.bucket.every;
    let mut before: Option<(&Closed, Window)> = None;
    for (at, closed) in series.closed.iter().enumerate() {
        let emit = Emit { reading, version, bucket: bucket::in_time(&config.bucket, closed.span) };
        let value = flawless(closed, Sums::mape);
        let digest = closed.digest.clone();
        outcome.samples.push(emit.sample(every.metric(), Unit::Change, value, closed.sums.rows, digest));
        let window = Window::ending_at(at, series, reading);
        if window.enough {
            of_window(&emit, closed, &window, before.as_ref(), outcome);
        }
        before = Some((closed, window));
    }
    summary(reading, version, series, before.as_ref(), outcome);
}

fn flawless(closed: &Closed, figure: impl Fn(&Sums) -> Result<f64, String>) -> Result<f64, String> {
    match &closed.flaw {
        Some(flaw) => Err(flaw.clone()),
        None => figure(&closed.sums),
    }
}

fn of_window(
    emit: &Emit<'_>,
    closed: &Closed,
    window: &Window,
    before: Option<&(&Closed, Window)>,
    outcome: &mut Outcome,
) {
    let of = |figure: &dyn Fn(&Sums) -> Result<f64, String>| flawless(closed, |_| figure(&window.sums));
    let mut push = |metric: &str, unit: Unit, value: Result<f64, String>| {
        outcome.samples.push(emit.sample(metric, unit, value, window.sums.rows, window.digest.clone()));
    };
    push("mape_rolling", Unit::Change, of(&Sums::mape));
    push("bias", Unit::Change, of(&Sums::bias));
    push("wape", Unit::Change, of(&Sums::wape));
    push("interval_coverage", Unit::Ratio, of(&Sums::coverage));
    // A rise is from one bucket to the next: after a gap there is none.
    if let Some((previous, earlier)) = before
        && earlier.enough
        && previous.span.end == closed.span.first
    {
        let earlier = flawless(previous, |_| earlier.sums.mape());
        let rise = of(&Sums::mape).and_then(|now| Ok(now - earlier?));
        push("mape_rolling_rise", Unit::Change, rise);
    }
}

/// The buckets of one version in the rolling window that ends with one of them, those without a flaw.
struct Window {
    sums: Sums,
    digest: Digest,
    enough: bool,
}

impl Window {
    fn ending_at(at: usize, series: &Series, reading: &ForecastReading<'_>) -> Self {
        let config = reading.config;
        let all = series.closed.get(..=at).unwrap_or_default();
        let start =
            all.last().map_or(0, |last| bucket::window_start(&config.bucket, last.span, config.rolling));
        let inside = all.iter().filter(|closed| closed.span.first >= start && closed.flaw.is_none());
        let mut hasher = Hasher::default();
        let (mut sums, mut count) = (Sums::default(), 0);
        for closed in inside {
            hasher.update(closed.digest.hex().as_bytes());
            sums = sums.plus(closed.sums);
            count += 1;
        }
        Self { sums, digest: hasher.finish(), enough: count >= config.rolling_minimum.max(1) }
    }
}

/// Where the samples of one bucket of one version come from.
struct Emit<'a> {
    reading: &'a ForecastReading<'a>,
    version: Option<&'a Digest>,
    bucket: Bucket,
}

impl Emit<'_> {
    fn sample(
        &self,
        metric: &str,
        unit: Unit,
        value: Result<f64, String>,
        rows: u64,
        input: Digest,
    ) -> Sample {
        let (request, name) = (self.reading.request, self.reading.name);
        let mut sample = match value {
            Ok(value) => request.sample(name, metric, value, unit),
            Err(reason) => request.undecided(name, metric, unit, reason),
        };
        sample.event_time = self.bucket.end;
        sample.bucket = Some(self.bucket);
        sample.version = self.version.cloned();
        sample.input = Some(input);
        sample.rows = rows;
        sample
    }
}

/// The facts that people want to see of a version: its latest bucket, its window, what is not closed yet.
fn summary(
    reading: &ForecastReading<'_>,
    version: Option<&Digest>,
    series: &Series,
    latest: Option<&(&Closed, Window)>,
    outcome: &mut Outcome,
) {
    let every = reading.config.bucket.every.as_str();
    let served = version == reading.request.versions.served.as_ref();
    let who = version.map_or_else(|| "unknown version".to_owned(), |version| version.short().to_owned());
    let who = if served { format!("{who} (serves)") } else { who };
    outcome.fact("version", format!("{who}: {} closed {every}s", series.closed.len()));
    if !served {
        return;
    }
    if let Some((closed, window)) = latest {
        let mape = shown(flawless(closed, Sums::mape));
        outcome.fact("latest", format!("{every} of {}: MAPE {mape}", date_of(closed.span.first)));
        if window.enough {
            outcome.fact(
                "rolling",
                format!("MAPE {} over {} rows", shown(window.sums.mape()), window.sums.rows),
            );
        } else {
            let needed = reading.config.rolling_minimum.max(1);
            outcome.fact("rolling", format!("not before {needed} closed {every}s of this version"));
        }
        let Sums { inside, bounded, .. } = window.sums;
        if let (Ok(coverage), Some((low, high))) = (window.sums.coverage(), wilson(inside, bounded)) {
            let [coverage, low, high] = [coverage, low, high].map(|value| Unit::Ratio.show(value));
            let text = format!("{coverage}: {inside} of {bounded} (95 % sure: {low} to {high})");
            outcome.fact("interval coverage", text);
        }
        if let Some(flaw) = &closed.flaw {
            outcome.problem(Some(reading.config.bucket.every.metric()), flaw.clone());
        }
    }
    for (span, days, needed) in series.open.iter().rev().take(2) {
        outcome.fact("not closed", format!("{every} of {}: {days} of {needed} days", date_of(span.first)));
    }
}

fn shown(value: Result<f64, String>) -> String {
    value.map_or_else(|reason| format!("undecided ({reason})"), |value| Unit::Ratio.show(value))
}
