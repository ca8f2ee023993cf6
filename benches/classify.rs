//! Classifying a million alerts against merely parsing them: `cargo bench --bench classify`.
//!
//! Both run in this process, in turn; the memory is that of the release binary reading the same lines from a file. The
//! number of lines can be given as the first argument.

mod table;

use irctl::base::{Result, Verdict};
use irctl::severity::{
    AlertClassifier, Framing, Handler, Scheme, StreamSummary, classify_stream, resolve_scheme, shipped,
};
use std::io::Write;
use std::time::{Duration, Instant};
use table::Row;

/// How often everything is run; the shortest run of each counts.
const ROUNDS: u32 = 5;

/// Alerts like those of the protocol, in all mixtures of metrics, from a fixed sequence.
fn alerts(lines: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut text = Vec::with_capacity(lines * 230);
    for index in 0..lines {
        let service = ["checkout", "search", "pricing", "ranking"][index % 4];
        let metrics = [
            format!("\"error_rate\":{:.4}", random() * random() * 0.3),
            format!("\"availability\":{:.4}", 1.0 - random() * random() * 0.2),
            format!("\"accuracy_drop\":{:.4}", random() * random() * 0.3),
            format!("\"latency_increase_pct\":{:.3}", random() * random() * 2.5),
        ];
        let given = 2 + index % 3;
        let _ = writeln!(
            text,
            "{{\"alert_name\":\"Alert {index}\",\"description\":\"{service} is not what it was five minutes ago\",\
             \"affected_services\":[\"{service}\",\"gateway\"],\"metrics\":{{{}}}}}",
            metrics[..given].join(",")
        );
    }
    text
}

struct Classify<'s>(AlertClassifier<'s>);

impl Handler for Classify<'_> {
    fn handle(&mut self, text: &str, out: &mut Vec<u8>) -> std::result::Result<Verdict, serde_json::Error> {
        self.0.json_line(text, out)
    }
}

/// Counts what it is given, so that nothing is optimised away and nothing is kept.
#[derive(Default)]
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn parse(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice::<serde_json::Value>(line)
                .map_or(0, |value| value.as_object().map_or(0, |o| o.len()))
        })
        .sum()
}

fn classify_lines(scheme: &Scheme, text: &[u8], sink: &mut Count) -> u64 {
    let (mut classifier, mut out, mut alerts) = (AlertClassifier::new(scheme), Vec::new(), 0);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = std::str::from_utf8(line).unwrap_or_default();
        alerts += u64::from(classifier.json_line(line, &mut out).is_ok());
        out.push(b'\n');
        if out.len() > 1 << 20 {
            let _ = sink.write_all(&out);
            out.clear();
        }
    }
    let _ = sink.write_all(&out);
    alerts
}

fn stream(scheme: &Scheme, mut text: &[u8], sink: &mut Count) -> Result<StreamSummary> {
    let framing = Framing { open: b"[", between: b",", close: b"]", after: b"\n" };
    classify_stream(&mut text, sink, true, framing, &|_| Classify(AlertClassifier::new(scheme)))
}

/// How long one run takes.
fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn main() {
    let lines = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let config = resolve_scheme("protocol-25", None).unwrap_or_else(|error| panic!("{error}"));
    let scheme = Scheme::compile_or_error(&config).unwrap_or_else(|error| panic!("{error}"));
    let text = alerts(lines);
    // Every scheme that is shipped, as a workspace without its own has them.
    let shipped: Vec<Scheme> = shipped()
        .iter()
        .map(|(name, _)| resolve_scheme(name, None).and_then(|config| Scheme::compile_or_error(&config)))
        .collect::<Result<_>>()
        .unwrap_or_else(|error| panic!("{error}"));
    let rules: usize = shipped.iter().map(|scheme| scheme.config().rules.len()).sum();
    let (mut parsed, mut single, mut streamed) = (0, 0, 0);
    let (mut sink_single, mut sink_streamed) = (Count::default(), Count::default());
    let mut least = [Duration::MAX; 5];
    // In turn, so that what else the machine does falls on all alike.
    for _ in 0..ROUNDS {
        let times = [
            time(|| parsed = parse(&text)),
            time(|| single = classify_lines(&scheme, &text, &mut sink_single)),
            time(|| streamed = stream(&scheme, &text, &mut sink_streamed).map_or(0, |found| found.alerts)),
            time(|| {
                let config =
                    resolve_scheme("protocol-25", None).map(|config| Scheme::compile(&config).is_ok());
                assert!(config.unwrap_or_default());
            }),
            time(|| {
                for scheme in &shipped {
                    assert_eq!(classify_lines(scheme, &text, &mut Count::default()), lines as u64);
                }
            }),
        ];
        least.iter_mut().zip(times).for_each(|(least, time)| *least = time.min(*least));
    }
    let [parsing, alone, threads, start, all] = least;
    assert_eq!((parsed, single, streamed), (lines * 4, lines as u64, lines as u64));
    assert_eq!(sink_single.0, sink_streamed.0);
    println!(
        "\n{lines} alerts of {} bytes under protocol-25, the shortest of {ROUNDS} runs in turn\n",
        text.len() / lines
    );
    table::head();
    for (what, time, asked) in [
        ("classify, one thread", alone, "ratio 0.50 at least"),
        ("classify, as the command does it", threads, ""),
    ] {
        let ratio = parsing.as_secs_f64() / time.as_secs_f64();
        Row {
            what,
            ours: table::show(time),
            against: format!("serde_json, parsing only {}", table::show(parsing)),
            comes_to: format!("ratio {ratio:.2}"),
            asked,
            holds: (!asked.is_empty()).then_some(ratio >= 0.5),
        }
        .print();
    }
    let each = all / u32::try_from(shipped.len()).expect("a few");
    let keeps = parsing.as_secs_f64() / each.as_secs_f64();
    Row {
        what: &format!("  by all {} shipped schemes, {rules} rules", shipped.len()),
        ours: table::show(all),
        against: format!("serde_json, once for each {}", table::show(parsing * shipped.len() as u32)),
        comes_to: format!("ratio {keeps:.2}"),
        asked: "ratio 0.50 at least",
        holds: Some(keeps >= 0.5),
    }
    .print();
    let per_line = parsing.as_secs_f64() / lines as f64;
    Row {
        what: "  reading and compiling the scheme",
        ours: table::show(start),
        against: format!("parsing {:.0} of the lines", start.as_secs_f64() / per_line),
        comes_to: String::new(),
        asked: "",
        holds: None,
    }
    .print();
    memory(&text, lines);
}

/// The command's peak memory for all the lines against that for a tenth of them.
fn memory(text: &[u8], lines: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let peak = |name: &str, text: &[u8]| {
        std::fs::write(folder.path().join(name), text).expect("a file");
        let mut command = std::process::Command::new(table::binary());
        command.args(["classify", "--scheme", "protocol-25", "--output", "json", name]);
        command.current_dir(folder.path());
        table::peak(command)
    };
    let tenth: usize = text.split_inclusive(|byte| *byte == b'\n').take(lines / 10).map(<[u8]>::len).sum();
    let (few, all) = (peak("few.jsonl", &text[..tenth]), peak("all.jsonl", text));
    Row {
        what: "  the command's peak memory",
        ours: format!("{all:.1} MB"),
        against: format!("{few:.1} MB for {} lines", lines / 10),
        comes_to: format!("+ {:.1} MB", all - few),
        asked: "flat (within 4 MB)",
        holds: Some(all - few < 4.0),
    }
    .print();
}
