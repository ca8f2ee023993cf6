//! The order of rows changes nothing.

use proptest::prelude::*;

use crate::Workspace;

const PROBES: &str = "
f: {forecast: {predictions: t.csv, actuals: a.csv, rolling_minimum: 1, bucket: {complete: 2 days}}}
t: {table: {file: t.csv, nulls: {}, range: [{columns: [mean], low: 0, high: 150, allow_missing: true}],
    freshness: {column: date}, coverage: {column: group, groups: [a, b, c], date: date, within: 30 days}}}
";

fn rows() -> impl Strategy<Value = Vec<String>> {
    let mean =
        prop_oneof![4 => (-50..300_i32).prop_map(|mean| mean.to_string()), 1 => Just("NaN".to_owned())];
    let row = (0..40_u32, mean, "[abcd]").prop_map(|(day, mean, group)| {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 10, 10).unwrap() + chrono::Days::new(day.into());
        format!("{date},{mean},10,200,{group}\n")
    });
    proptest::collection::vec(row, 1..60)
}

fn measured(rows: &[String], actuals: &[String]) -> String {
    let workspace = Workspace::new();
    workspace.write("t.csv", format!("date,mean,lower,upper,group\n{}", rows.concat()));
    workspace.write("a.csv", format!("date,actual\n{}", actuals.concat()));
    let mut outcomes = workspace.measure_all(PROBES);
    for outcome in &mut outcomes {
        // The bytes of the file are others, and so are their digests.
        outcome.examined.retain(|fact| !fact.label.contains("input"));
        for sample in &mut outcome.samples {
            if sample.bucket.is_none() {
                sample.input = None;
            }
        }
    }
    format!("{outcomes:#?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_changes_nothing(rows in rows(), seed in any::<u64>()) {
        let first = chrono::NaiveDate::from_ymd_opt(2026, 10, 10).unwrap();
        let actuals: Vec<String> =
            first.iter_days().take(40).enumerate().map(|(at, day)| format!("{day},{}\n", at % 7 * 30)).collect();
        let (mut other, mut others) = (rows.clone(), actuals.clone());
        shuffle(&mut other, seed);
        shuffle(&mut others, seed.rotate_left(17));
        let (one, another) = (measured(&rows, &actuals), measured(&other, &others));
        // What stands twice with two values is undecided whichever came first; which of them is in its digest is not
        // of interest.
        let undecided = |text: &str| text.lines().filter(|line| !line.contains("sha256")).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(undecided(&one), undecided(&another));
    }
}

fn shuffle(rows: &mut [String], mut seed: u64) {
    for at in (1..rows.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        rows.swap(at, usize::try_from(seed >> 33).unwrap() % (at + 1));
    }
}
