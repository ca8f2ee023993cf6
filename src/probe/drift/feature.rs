//! What is said of one column.

use super::Plan;
use super::categories::Categories;
use crate::probe::statistics::chance::{
    Compared, ONE_IN_A_THOUSAND_EITHER_WAY, ONE_IN_TWENTY_EITHER_WAY, scatter,
};
use crate::probe::statistics::kolmogorov::Test;
use crate::probe::statistics::sketch::Sketch;
use crate::probe::statistics::{CURRENT, REFERENCE, stability};

/// How much of a distance, and of a standard deviation, may be lost by putting neighbours together.
const BLUR: f64 = 0.01;

/// A metric and its value, or why there is none.
pub(super) type Said = Vec<(String, Result<f64, String>)>;

/// What a column says.
pub(super) struct Verdict {
    /// Its metrics.
    pub(super) said: Said,
    /// In words, and how far it has moved for sorting by.
    pub(super) summary: (f64, String),
}

/// Compares a column of numbers.
pub(super) fn of_numbers(sketch: &Sketch, plan: &Plan) -> Verdict {
    let rows = [REFERENCE, CURRENT].map(|side| sketch.count(side));
    let (mut said, mut words, mut farthest) = (Said::new(), Vec::new(), 0.0_f64);
    let constant = constant(sketch.constant(REFERENCE), sketch.constant(CURRENT));
    let infinite = sketch.infinite.iter().sum::<u64>();
    let infinite = (infinite > 0).then(|| format!("{infinite} of its values are infinite"));
    let few = |rows: [u64; 2]| infinite.clone().or_else(|| too_few(rows, plan.minimum));
    if let Some((metric, config)) = &plan.psi {
        let with_missing = [REFERENCE, CURRENT]
            .map(|side| sketch.count(side) + sketch.missing.get(side).copied().unwrap_or_default());
        let objection = few(with_missing)
            .or_else(|| {
                (!(2..=100).contains(&config.bins)).then(|| "`bins` has to be from 2 to 100".to_owned())
            })
            .or_else(|| (rows.first() == Some(&0)).then(|| "the reference has no value".to_owned()));
        let compared = objection
            .map_or_else(|| stability::index(&stability::bins(sketch, config.bins)).ok_or_else(nothing), Err);
        let decided = decide(&compared, config.resolution, constant);
        if let (Ok(value), Ok(compared)) = (&decided, &compared) {
            words.push(format!("PSI {value:.4} ({:.4} by chance)", compared.expected));
            farthest = farthest.max(value / config.resolution);
        }
        push(&mut said, metric, decided, &compared);
    }
    if let Some((metric, config)) = &plan.ks {
        let test = few(rows).map_or_else(|| Test::of(sketch).ok_or_else(nothing), Err);
        let blurred = |test: Test| match test.blur {
            blur if blur > BLUR => {
                Err(format!("so many different values that the distance is {blur:.3} uncertain"))
            }
            _ => Ok(test),
        };
        let test = test.and_then(blurred);
        let compared = test.as_ref().map(Test::compared).map_err(Clone::clone);
        let decided = decide(&compared, config.resolution, constant);
        if let (Ok(value), Ok(test)) = (&decided, &test) {
            let how = if test.exact { "exact" } else { "asymptotic" };
            words.push(format!("KS {value:.4} (p {:.4}, {how})", test.p));
            farthest = farthest.max(value / config.resolution);
        }
        push(&mut said, metric, decided, &compared);
        said.push((format!("{metric}_p"), test.map(|test| test.p)));
    }
    if let Some((metric, config)) = &plan.shift {
        let shift = few(rows).map_or_else(|| shift(sketch), Err);
        let compared = shift.as_ref().map(|(compared, _)| *compared).map_err(Clone::clone);
        let decided = decide(&compared, config.resolution, constant);
        if let (Ok(value), Ok((_, text))) = (&decided, &shift) {
            words.push(format!("mean {text}"));
            farthest = farthest.max(value / config.resolution);
        }
        push(&mut said, metric, decided, &compared);
    }
    let missing = sketch.missing.iter().sum::<u64>();
    if missing > 0 {
        let [before, now] = sketch.missing;
        words.push(format!("missing {before} and {now}"));
    }
    if !sketch.exact() {
        words.push("close values counted together".to_owned());
    }
    finish(said, rows, words, farthest, plan)
}

/// Compares a column of categories.
pub(super) fn of_categories(categories: &Categories, plan: &Plan) -> Verdict {
    let rows = [REFERENCE, CURRENT].map(|side| categories.count(side));
    let (metric, config) = &plan.categories;
    let many =
        categories.too_many.then(|| "so many different values that they cannot be categories".to_owned());
    let objection = many.or_else(|| too_few(rows, plan.minimum));
    let compared =
        objection.clone().map_or_else(|| stability::index(&categories.bins()).ok_or_else(nothing), Err);
    let constant = constant(categories.constant(REFERENCE), categories.constant(CURRENT));
    let decided = decide(&compared, config.resolution, constant);
    let (mut said, mut words, mut farthest) = (Said::new(), Vec::new(), 0.0_f64);
    if let (Ok(value), Ok(compared)) = (&decided, &compared) {
        words.push(format!("PSI {value:.4} ({:.4} by chance)", compared.expected));
        farthest = value / config.resolution;
    }
    push(&mut said, metric, decided, &compared);
    let unseen = categories.unseen();
    let count: u64 = unseen.iter().map(|(_, rows)| rows).sum();
    said.push((plan.unseen.clone(), objection.map_or(Ok(count as f64), Err)));
    if !unseen.is_empty() {
        let named: Vec<String> = unseen.iter().take(5).map(|(name, rows)| format!("{name} {rows}")).collect();
        words.push(format!("not in the reference: {}", named.join(", ")));
    }
    finish(said, rows, words, farthest, plan)
}

fn finish(mut said: Said, rows: [u64; 2], mut words: Vec<String>, farthest: f64, plan: &Plan) -> Verdict {
    for (metric, rows) in plan.rows.iter().zip(rows) {
        said.push((metric.clone(), Ok(rows as f64)));
    }
    let [reference, current] = rows;
    words.push(format!("{reference} and {current} rows"));
    Verdict { said, summary: (farthest, words.join(", ")) }
}

/// Adds a value and what it is by chance.
fn push(said: &mut Said, metric: &str, decided: Result<f64, String>, compared: &Result<Compared, String>) {
    said.push((metric.to_owned(), decided));
    let expected = compared.as_ref().map(|compared| compared.expected).map_err(Clone::clone);
    said.push((format!("{metric}_expected"), expected));
}

fn decide(compared: &Result<Compared, String>, resolution: f64, doubt: Option<&str>) -> Result<f64, String> {
    compared.as_ref().map_err(Clone::clone).and_then(|compared| compared.decided(resolution, doubt))
}

fn too_few(rows: [u64; 2], minimum: u64) -> Option<String> {
    let [reference, current] = rows;
    (reference.min(current) < minimum).then(|| {
        format!("{reference} rows in the reference and {current} now, where {minimum} of each are needed")
    })
}

fn nothing() -> String {
    "there is nothing to compare".to_owned()
}

fn constant(reference: bool, current: bool) -> Option<&'static str> {
    match (reference, current) {
        (true, true) => Some("it is constant, in the reference and now"),
        (true, false) => Some("it is constant in the reference"),
        (false, true) => Some("it is constant now"),
        (false, false) => None,
    }
}

/// |mean now − mean of the reference| / standard deviation of the reference, and the same in words.
fn shift(sketch: &Sketch) -> Result<(Compared, String), String> {
    let (reference, current) = sketch.moments(REFERENCE).zip(sketch.moments(CURRENT)).ok_or_else(nothing)?;
    // Written so that what is not a number is refused, too.
    if !(reference.deviation > 0.0 && reference.deviation.is_finite()) {
        return Err(
            "it does not vary in the reference: its standard deviation is zero or not finite".to_owned()
        );
    }
    if reference.blur + current.blur > BLUR * reference.deviation {
        return Err("so many different values that the mean is uncertain".to_owned());
    }
    let signed = (current.mean - reference.mean) / reference.deviation;
    let (value, unit) = (signed.abs(), scatter(reference.count, current.count).sqrt());
    let compared = Compared {
        value,
        expected: std::f64::consts::FRAC_2_PI.sqrt() * unit,
        usual: ONE_IN_TWENTY_EITHER_WAY * unit,
        significant: value > ONE_IN_A_THOUSAND_EITHER_WAY * unit,
    };
    Ok((compared, format!("{signed:+.3} σ ({} to {})", short(reference.mean), short(current.mean))))
}

fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        format!("{value:.3e}")
    } else {
        format!("{value:.4}")
    }
}
