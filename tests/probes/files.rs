//! Files of every format, and of none.

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type, Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

use crate::{Workspace, fact, reason, value};

/// A column of a Parquet file; `None` is null.
pub(crate) enum Column {
    Days(Vec<Option<i32>>),
    Long(Vec<Option<i64>>),
    Old(Vec<Option<Int96>>),
    Double(Vec<Option<f64>>),
    Text(Vec<Option<&'static str>>),
}

fn there<T: Clone>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (values.iter().flatten().cloned().collect(), levels)
}

/// Writes a Parquet file with all columns optional, in row groups of two rows when `small`.
pub(crate) fn parquet(schema: &str, columns: &[Column], compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut writer = group.next_column().unwrap().unwrap();
        match column {
            Column::Days(values) => {
                let (values, levels) = there(values);
                writer.typed::<Int32Type>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Column::Long(values) => {
                let (values, levels) = there(values);
                writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Column::Old(values) => {
                let (values, levels) = there(values);
                writer.typed::<Int96Type>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Column::Double(values) => {
                let (values, levels) = there(values);
                writer.typed::<DoubleType>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Column::Text(values) => {
                let (values, levels) = there(values);
                let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            }
        }
        writer.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

const CHECKS: &str = "{table: {file: data, nulls: {}, range: [{columns: [x], low: 0, high: 10, allow_missing: true}], \
                      freshness: {column: date}, coverage: {column: group, groups: [a, b, c]}}}";

/// Three rows: a null, a value out of range, and a date on 2026-11-18.
fn assert_three_rows(workspace: &Workspace, format: &str) {
    let outcome = workspace.measure(CHECKS);
    assert_eq!(fact(&outcome, "file"), format!("data ({format})"));
    assert_eq!(value(&outcome, "p_exists"), 1.0);
    assert_eq!(value(&outcome, "p_rows"), 3.0);
    assert_eq!(value(&outcome, "p_nulls"), 1.0, "{format}");
    assert_eq!(value(&outcome, "p_out_of_range"), 1.0);
    assert_eq!(value(&outcome, "p_age"), 2.0);
    assert_eq!(value(&outcome, "p_missing"), 1.0);
    assert_eq!(fact(&outcome, "groups"), "a 2, b 1, c missing");
    assert_eq!(fact(&outcome, "out of range"), "x: 11");
}

#[test]
fn csv_is_read_by_content() {
    let workspace = Workspace::new();
    workspace.write("data", "date,x,group\n2026-11-17,1.5,a\n2026-11-18,11,b\n2026-11-16,,a\n");
    assert_three_rows(&workspace, "CSV");
    workspace.write(
        "data",
        "\u{feff}date,x,group\r\n\"2026-11-17\",1.5, a \r\n2026-11-18,11,b\r\n2026-11-16,NaN,a",
    );
    assert_three_rows(&workspace, "CSV");
}

#[test]
fn json_lines_are_read_by_content() {
    let workspace = Workspace::new();
    workspace.write(
        "data",
        "\n{\"x\": 1.5, \"date\": \"2026-11-17\", \"group\": \"a\"}\n\n\
         {\"gr\\u006fup\": \"\\u0062\", \"date\": \"2026-11-18T05:00:00Z\", \"x\": 11, \"y\": [1, {\"x\": 2}]}\n\
         {\"date\": \"2026-11-16\", \"x\": null, \"y\": 1, \"group\": \"a\"}",
    );
    let outcome = workspace.measure(CHECKS);
    // `y` is missing in the first row and null nowhere.
    assert_eq!(value(&outcome, "p_nulls"), 2.0);
    assert_eq!((value(&outcome, "p_out_of_range"), value(&outcome, "p_age")), (1.0, 2.0));
    assert_eq!(fact(&outcome, "groups"), "a 2, b 1, c missing");
}

#[test]
fn parquet_is_read_by_content_whatever_the_types() {
    // 2026-11-18 is day 20775.
    let numbers = || Column::Double(vec![Some(1.5), Some(11.0), None]);
    let groups = || Column::Text(vec![Some("a"), Some("b"), Some("a")]);
    let of_day = |day: i64, unit: i64| Some((day * 86_400 + 3600) * unit);
    let old = |day: u32| {
        let mut value = Int96::new();
        value.set_data(0, 0, day + 2_440_588);
        Some(value)
    };
    let dates = [
        ("optional int32 date (DATE)", Column::Days(vec![Some(20_774), Some(20_775), Some(20_773)])),
        (
            "optional int64 date (TIMESTAMP(MILLIS, true))",
            Column::Long([20_774, 20_775, 20_773].map(|day| of_day(day, 1000)).to_vec()),
        ),
        (
            "optional int64 date (TIMESTAMP(MICROS, false))",
            Column::Long([20_774, 20_775, 20_773].map(|day| of_day(day, 1_000_000)).to_vec()),
        ),
        (
            "optional int64 date (TIMESTAMP(NANOS, false))",
            Column::Long([20_774, 20_775, 20_773].map(|day| of_day(day, 1_000_000_000)).to_vec()),
        ),
        ("optional int96 date", Column::Old([20_774, 20_775, 20_773].map(old).to_vec())),
        (
            "optional binary date (STRING)",
            Column::Text(vec![Some("2026-11-17"), Some("2026-11-18 09:00:00"), Some("2026-11-16")]),
        ),
    ];
    let compressions =
        [Compression::SNAPPY, Compression::ZSTD(Default::default()), Compression::UNCOMPRESSED];
    for (at, (schema, dates)) in dates.into_iter().enumerate() {
        let workspace = Workspace::new();
        let schema = format!("{schema}; optional double x; optional binary group (STRING);");
        workspace.write("data", parquet(&schema, &[dates, numbers(), groups()], compressions[at % 3]));
        assert_three_rows(&workspace, "Parquet");
    }
}

#[test]
fn instants_fall_on_the_day_of_the_zone() {
    // 03:00 UTC on 2026-11-18 is the evening of the 17th in New York; and now is the evening of the 19th there.
    let micros = Column::Long(vec![Some((20_775 * 86_400 + 3 * 3600) * 1_000_000)]);
    let workspace = Workspace::new();
    workspace.write(
        "data",
        parquet("optional int64 date (TIMESTAMP(MICROS, true));", &[micros], Compression::SNAPPY),
    );
    let outcome =
        workspace.measure("{table: {file: data, timezone: America/New_York, freshness: {column: date}}}");
    assert_eq!(
        (value(&outcome, "p_age"), fact(&outcome, "dates").as_str()),
        (2.0, "2026-11-17 to 2026-11-17")
    );
}

#[test]
fn an_empty_file_has_no_rows_and_says_nothing_else() {
    let workspace = Workspace::new();
    for content in ["", " \n", "date,x,group\n"] {
        workspace.write("data", content);
        let outcome = workspace.measure(CHECKS);
        assert_eq!((value(&outcome, "p_exists"), value(&outcome, "p_rows")), (1.0, 0.0));
        for metric in ["p_nulls", "p_out_of_range", "p_age", "p_missing", "p_sparse"] {
            assert_eq!(reason(&outcome, metric), "there are no rows");
        }
    }
}

#[test]
fn a_missing_file_does_not_exist_and_says_nothing_else() {
    let outcome = Workspace::new().measure(CHECKS);
    assert_eq!(value(&outcome, "p_exists"), 0.0);
    for metric in ["p_rows", "p_nulls", "p_out_of_range", "p_age", "p_missing", "p_sparse"] {
        assert_eq!(reason(&outcome, metric), "data does not exist");
    }
    assert_eq!(outcome.problems[0].reason.raw(), "data does not exist");
}

#[test]
fn damaged_files_say_what_is_wrong_with_them() {
    let whole = parquet(
        "optional double x; optional binary group (STRING);",
        &[Column::Double(vec![Some(1.0); 100]), Column::Text(vec![Some("a"); 100])],
        Compression::SNAPPY,
    );
    let mut broken = whole.clone();
    for byte in &mut broken[4..60] {
        *byte = 0xff;
    }
    let cases: [(&[u8], &str); 12] = [
        (&whole[..whole.len() - 20], "cut off"),
        (&broken, "cannot read as Parquet"),
        (b"PAR1xxxxxxxxPAR1", "cannot read as Parquet"),
        (b"x,group\n1,a\n2\n", "line 3 has 1 fields, but the header has 2"),
        (b"x,group,x\n", "the header has the column `x` twice"),
        (b"{\"x\": 1}\n{\"x\": NaN}\n", "line 2 cannot be read as a JSON object"),
        (b"{\"x\": 1} {\"x\": 2}\n", "line 1 cannot be read as a JSON object"),
        (b"{\"x\": 1}\n[1]\n", "line 2 cannot be read as a JSON object"),
        (b"[{\"x\": 1}]", "JSON array"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"x,\0\n", "NUL"),
        (b"PARExxxxPARE", "encrypted"),
    ];
    for (content, expected) in cases {
        let workspace = Workspace::new();
        workspace.write("data", content);
        let outcome = workspace.measure(CHECKS);
        let reason = reason(&outcome, "p_rows");
        assert!(reason.starts_with("data: ") && reason.contains(expected), "{expected}: {reason}");
    }
}

#[test]
fn folders_pipes_and_places_outside_are_refused() {
    let workspace = Workspace::new();
    std::fs::create_dir(workspace.root().join("data")).unwrap();
    assert!(reason(&workspace.measure(CHECKS), "p_rows").contains("is a directory"));
    let outside = workspace.measure("{table: {file: ../data}}");
    assert!(reason(&outside, "p_rows").contains("climbs out"));
    let status = std::process::Command::new("mkfifo").arg(workspace.root().join("pipe")).status().unwrap();
    assert!(status.success());
    assert!(reason(&workspace.measure("{table: {file: pipe}}"), "p_rows").contains("not a regular file"));
}

#[test]
fn an_open_quotation_mark_does_not_eat_the_memory() {
    let workspace = Workspace::new();
    let mut content = b"x,group\n\"".to_vec();
    content.resize(40 * 1024 * 1024, b'1');
    workspace.write("data", content);
    assert!(reason(&workspace.measure(CHECKS), "p_rows").contains("quotation mark"));
}

#[test]
fn the_digest_of_a_small_file_is_that_of_its_bytes() {
    let content = "x\n1\n";
    let workspace = Workspace::new();
    workspace.write("data", content);
    let outcome = workspace.measure("{table: {file: data}}");
    let digest = irctl::base::Digest::of(content.as_bytes());
    assert!(outcome.samples.iter().all(|sample| sample.input.as_ref() == Some(&digest)));
    let bytes = parquet("optional double x;", &[Column::Double(vec![Some(1.0)])], Compression::SNAPPY);
    let digest = irctl::base::Digest::of(&bytes);
    workspace.write("data", bytes);
    let outcome = workspace.measure("{table: {file: data}}");
    assert_eq!(outcome.samples[1].input.as_ref(), Some(&digest));
}

#[test]
fn flipped_bytes_never_stop_the_round() {
    let whole = parquet(
        "optional int32 date (DATE); optional double x; optional binary group (STRING);",
        &[
            Column::Days((0..500).map(|day| (day % 7 != 0).then_some(20_000 + day)).collect()),
            Column::Double((0..500).map(|x| Some(f64::from(x))).collect()),
            Column::Text((0..500).map(|at| Some(["a", "b", "c"][at % 3])).collect()),
        ],
        Compression::UNCOMPRESSED,
    );
    let workspace = Workspace::new();
    for at in (4..whole.len() - 4).step_by(7) {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = whole.clone();
            broken[at] ^= flip;
            workspace.write("data", broken);
            assert_eq!(workspace.measure(CHECKS).samples.len(), 7);
        }
    }
}
