//! One column of one row group: decoded once, then shown as everything that it is wanted as.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::schema::types::ColumnDescriptor;

use super::batch::{Column, NO_DAY, Values};
use super::date::{self, ZonedDays};
use super::parquet::wrong;
use super::text;
use crate::base::Result;

/// What the stored values mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Meaning {
    /// The definition level of a value that is there.
    present: i16,
    sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    /// What the physical type says.
    Plain,
    /// An integer without a sign.
    Unsigned,
    /// A number to be divided by this.
    Decimal(f64),
    /// Days from 1970-01-01.
    Date,
    /// This many to a second, from 1970-01-01T00:00:00; an instant, or a time on a clock without offset.
    Timestamp(i64, bool),
    /// Something that is neither number, date nor text.
    Other,
}

impl Meaning {
    pub(super) fn of(descriptor: &ColumnDescriptor) -> Result<Self> {
        if descriptor.max_rep_level() > 0 {
            return Err(wrong(format!("the column `{}` holds lists", descriptor.path().string())));
        }
        Ok(Self { present: descriptor.max_def_level(), sort: sort(descriptor) })
    }
}

fn sort(descriptor: &ColumnDescriptor) -> Sort {
    match descriptor.logical_type_ref() {
        Some(LogicalType::Date) => return Sort::Date,
        Some(LogicalType::Timestamp(timestamp)) => {
            let second = match timestamp.unit {
                TimeUnit::MILLIS => 1000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            };
            return Sort::Timestamp(second, timestamp.is_adjusted_to_u_t_c);
        }
        Some(LogicalType::Decimal(decimal)) => return Sort::Decimal(10_f64.powi(decimal.scale)),
        Some(LogicalType::Integer(integer)) if !integer.is_signed => return Sort::Unsigned,
        Some(LogicalType::Float16 | LogicalType::Time(_) | LogicalType::Uuid) => return Sort::Other,
        _ => {}
    }
    match descriptor.converted_type() {
        ConvertedType::DATE => Sort::Date,
        ConvertedType::TIMESTAMP_MILLIS => Sort::Timestamp(1000, true),
        ConvertedType::TIMESTAMP_MICROS => Sort::Timestamp(1_000_000, true),
        ConvertedType::DECIMAL => Sort::Decimal(10_f64.powi(descriptor.type_scale())),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
            Sort::Unsigned
        }
        _ if descriptor.physical_type() == Type::FIXED_LEN_BYTE_ARRAY => Sort::Other,
        _ => Sort::Plain,
    }
}

/// Rows that follow each other.
enum Run {
    /// The values with these numbers: the first, and the first after them.
    Present(usize, usize),
    /// This many rows without a value.
    Missing(usize),
}

enum Stored {
    Bools(ColumnReaderImpl<BoolType>, Vec<bool>),
    Int32(ColumnReaderImpl<Int32Type>, Vec<i32>),
    Int64(ColumnReaderImpl<Int64Type>, Vec<i64>),
    Int96(ColumnReaderImpl<Int96Type>, Vec<Int96>),
    Float(ColumnReaderImpl<FloatType>, Vec<f32>),
    Double(ColumnReaderImpl<DoubleType>, Vec<f64>),
    Bytes(ColumnReaderImpl<ByteArrayType>, Vec<ByteArray>),
    Fixed(ColumnReaderImpl<FixedLenByteArrayType>, Vec<FixedLenByteArray>),
}

/// A column chunk and the batch of it that was decoded last.
pub(super) struct Chunk {
    stored: Stored,
    meaning: Meaning,
    levels: Vec<i16>,
    /// How many values of the batch are there.
    present: usize,
}

impl Chunk {
    pub(super) fn new(reader: ColumnReader, meaning: Meaning) -> Self {
        let stored = match reader {
            ColumnReader::BoolColumnReader(reader) => Stored::Bools(reader, Vec::new()),
            ColumnReader::Int32ColumnReader(reader) => Stored::Int32(reader, Vec::new()),
            ColumnReader::Int64ColumnReader(reader) => Stored::Int64(reader, Vec::new()),
            ColumnReader::Int96ColumnReader(reader) => Stored::Int96(reader, Vec::new()),
            ColumnReader::FloatColumnReader(reader) => Stored::Float(reader, Vec::new()),
            ColumnReader::DoubleColumnReader(reader) => Stored::Double(reader, Vec::new()),
            ColumnReader::ByteArrayColumnReader(reader) => Stored::Bytes(reader, Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => Stored::Fixed(reader, Vec::new()),
        };
        Self { stored, meaning, levels: Vec::new(), present: 0 }
    }

    /// Decodes the next `rows` rows, or what is left of them, and says how many.
    pub(super) fn read(&mut self, rows: usize) -> Result<usize> {
        let levels = &mut self.levels;
        let (read, present) = match &mut self.stored {
            Stored::Bools(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Int32(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Int64(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Int96(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Float(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Double(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Bytes(reader, values) => fill(reader, values, levels, rows)?,
            Stored::Fixed(reader, values) => fill(reader, values, levels, rows)?,
        };
        self.present = present;
        Ok(read)
    }

    /// Adds the decoded rows to a wanted column. `before` is how many rows of the file came before them.
    pub(super) fn project(&self, column: &mut Column, rows: usize, before: u64, zone: &mut ZonedDays) {
        match (&mut column.values, &self.stored) {
            (Values::Numbers(out), Stored::Double(_, values)) => {
                self.spread(rows, values, out, f64::NAN, |value| *value);
            }
            (Values::Numbers(out), Stored::Float(_, values)) => {
                self.spread(rows, values, out, f64::NAN, |value| f64::from(*value));
            }
            (Values::Numbers(out), Stored::Bools(_, values)) => {
                self.spread(rows, values, out, f64::NAN, |value| f64::from(u8::from(*value)));
            }
            (Values::Numbers(out), Stored::Int32(_, values)) if self.counts() => {
                let sort = self.meaning.sort;
                self.spread(rows, values, out, f64::NAN, |value| match sort {
                    Sort::Unsigned => f64::from(value.cast_unsigned()),
                    Sort::Decimal(scale) => f64::from(*value) / scale,
                    _ => f64::from(*value),
                });
            }
            (Values::Numbers(out), Stored::Int64(_, values)) if self.counts() => {
                let sort = self.meaning.sort;
                self.spread(rows, values, out, f64::NAN, |value| match sort {
                    Sort::Unsigned => value.cast_unsigned() as f64,
                    Sort::Decimal(scale) => *value as f64 / scale,
                    _ => *value as f64,
                });
            }
            (Values::Days(out), Stored::Int32(_, values)) if self.meaning.sort == Sort::Date => {
                self.spread(rows, values, out, NO_DAY, |value| date::in_calendar(*value));
            }
            (Values::Days(out), Stored::Int64(_, values))
                if matches!(self.meaning.sort, Sort::Timestamp(..)) =>
            {
                let Sort::Timestamp(second, instant) = self.meaning.sort else { return };
                self.spread(rows, values, out, NO_DAY, |value| {
                    let seconds = value.div_euclid(second);
                    if instant { zone.day(seconds) } else { date::whole_day(seconds) }
                });
            }
            // Written by tools that mean a clock without offset by it.
            (Values::Days(out), Stored::Int96(_, values)) => {
                self.spread(rows, values, out, NO_DAY, |value| date::whole_day(value.to_seconds()));
            }
            (Values::Texts(words), Stored::Bytes(_, values)) if self.meaning.sort == Sort::Plain => {
                self.runs(rows, |run| match run {
                    Run::Present(from, to) => {
                        values
                            .get(from..to)
                            .unwrap_or_default()
                            .iter()
                            .for_each(|value| words.push(value.data()));
                    }
                    Run::Missing(count) => (0..count).for_each(|_| words.push_none()),
                });
            }
            (Values::Missing(out), Stored::Double(_, values)) => {
                self.spread(rows, values, out, true, |value| value.is_nan());
            }
            (Values::Missing(out), Stored::Float(_, values)) => {
                self.spread(rows, values, out, true, |value| value.is_nan());
            }
            (Values::Missing(out), _) if self.present == rows => out.resize(out.len() + rows, false),
            (Values::Missing(out), _) => {
                let present = self.meaning.present;
                out.extend(self.levels.iter().take(rows).map(|level| *level != present));
            }
            _ => self.project_slowly(column, rows, before, zone),
        }
    }

    /// Whether the integers are numbers, and not dates or times.
    fn counts(&self) -> bool {
        matches!(self.meaning.sort, Sort::Plain | Sort::Unsigned | Sort::Decimal(_))
    }

    fn is_present(&self, row: usize) -> bool {
        self.meaning.present == 0 || self.levels.get(row) == Some(&self.meaning.present)
    }

    /// Puts the values that are there into their rows, and `none` into the others.
    fn spread<T, U: Copy>(
        &self,
        rows: usize,
        values: &[T],
        out: &mut Vec<U>,
        none: U,
        mut convert: impl FnMut(&T) -> U,
    ) {
        self.runs(rows, |run| match run {
            Run::Present(from, to) => {
                out.extend(values.get(from..to).unwrap_or_default().iter().map(&mut convert));
            }
            Run::Missing(count) => out.resize(out.len() + count, none),
        });
    }

    /// The rows as runs of values that are there, and of none: few are missing, and runs are copied fast.
    fn runs(&self, rows: usize, mut each: impl FnMut(Run)) {
        if self.present == rows {
            return each(Run::Present(0, rows));
        }
        let mut levels = self.levels.get(..rows).unwrap_or_default();
        let mut next = 0;
        while !levels.is_empty() {
            let there =
                levels.iter().position(|level| *level != self.meaning.present).unwrap_or(levels.len());
            each(Run::Present(next, next + there));
            next += there;
            levels = levels.get(there..).unwrap_or_default();
            let gone = levels.iter().position(|level| *level == self.meaning.present).unwrap_or(levels.len());
            each(Run::Missing(gone));
            levels = levels.get(gone..).unwrap_or_default();
        }
    }

    /// Every combination that nobody writes files with a million rows of: through text.
    fn project_slowly(&self, column: &mut Column, rows: usize, before: u64, zone: &mut ZonedDays) {
        let mut next = 0;
        for row in 0..rows {
            if self.is_present(row) {
                match self.text(next) {
                    Some(text) => text::push(column, &text, before + row as u64 + 1, zone),
                    None => {
                        text::push_missing(column);
                        column.refuse(before + row as u64 + 1, || "something else".to_owned());
                    }
                }
                next += 1;
            } else {
                text::push_missing(column);
            }
        }
    }

    /// A stored value in letters.
    fn text(&self, index: usize) -> Option<Vec<u8>> {
        let text = match (&self.stored, self.meaning.sort) {
            (_, Sort::Other) => return None,
            (Stored::Bytes(_, values), Sort::Decimal(scale)) => {
                big(values.get(index)?.data(), scale)?.to_string()
            }
            (Stored::Fixed(_, values), Sort::Decimal(scale)) => {
                big(values.get(index)?.data(), scale)?.to_string()
            }
            (Stored::Bytes(_, values), _) => return values.get(index).map(|value| value.data().to_vec()),
            (Stored::Int32(_, values), Sort::Date) => {
                crate::probe::zone::date_of(date::in_calendar(*values.get(index)?)).to_string()
            }
            (Stored::Int32(_, values), _) => values.get(index)?.to_string(),
            (Stored::Int64(_, values), _) => values.get(index)?.to_string(),
            (Stored::Float(_, values), _) => values.get(index)?.to_string(),
            (Stored::Double(_, values), _) => values.get(index)?.to_string(),
            (Stored::Bools(_, values), _) => values.get(index)?.to_string(),
            (Stored::Int96(..) | Stored::Fixed(..), _) => return None,
        };
        Some(text.into_bytes())
    }
}

/// A decimal of up to sixteen bytes, the most significant first.
fn big(bytes: &[u8], scale: f64) -> Option<f64> {
    let (first, length) = (bytes.first()?, bytes.len());
    if length > 16 {
        return None;
    }
    let start = if first & 0x80 == 0 { 0_i128 } else { -1 };
    Some(bytes.iter().fold(start, |sum, byte| (sum << 8) | i128::from(*byte)) as f64 / scale)
}

fn fill<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
    rows: usize,
) -> Result<(usize, usize)> {
    values.clear();
    levels.clear();
    let (read, present, _) = reader.read_records(rows, Some(levels), None, values).map_err(wrong)?;
    Ok((read, present))
}
