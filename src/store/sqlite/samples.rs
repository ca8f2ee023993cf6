//! Samples in SQLite: every correction is a new row; reading takes the newest row of each.

use rusqlite::{OptionalExtension as _, params, params_from_iter, types::Value};

use super::SqliteSession;
use super::events::unsigned;
use crate::base::{Error, ErrorCode, Result};
use crate::store::sample::{Sample, SampleFilter};

const LATEST: &str = "SELECT evidence FROM sample WHERE series = ?1 ORDER BY number DESC LIMIT 1";
const INSERT: &str = "INSERT INTO sample (service, metric, event_time, series, recorded_at, evidence, body) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const RECORDED: &str = "SELECT number, body FROM sample WHERE service = ?1 ORDER BY recorded_at, number";

/// What a later sample of the same series corrects: the same metric, at the same time, of the same version.
fn series(sample: &Sample) -> Result<String> {
    let key = serde_json::json!([
        sample.service,
        sample.probe,
        sample.metric,
        sample.labels,
        sample.event_time.timestamp_millis(),
        sample.version,
        sample.bucket,
    ]);
    Ok(crate::store::chain::canonical(&key))
}

/// What makes a sample new evidence: its input and what came out of it.
fn evidence(sample: &Sample) -> Result<String> {
    let value = serde_json::json!([sample.input, sample.measurement, sample.rows]);
    Ok(crate::store::chain::canonical(&value))
}

impl SqliteSession<'_> {
    pub(super) fn insert_samples(&mut self, samples: &[Sample]) -> Result<usize> {
        let mut stored = 0;
        for sample in samples {
            stored += usize::from(self.insert_sample(sample)?);
        }
        Ok(stored)
    }

    fn insert_sample(&mut self, sample: &Sample) -> Result<bool> {
        let (series, evidence) = (series(sample)?, evidence(sample)?);
        let latest: Option<String> = self.check(
            self.transaction
                .prepare_cached(LATEST)
                .and_then(|mut query| query.query_row([&series], |row| row.get(0)).optional()),
        )?;
        if latest.as_deref() == Some(evidence.as_str()) {
            return Ok(false);
        }
        let body = serde_json::to_string(sample).map_err(|error| {
            Error::new(ErrorCode::Bug, format!("a sample cannot be written as JSON: {error}"))
        })?;
        let values = params![
            sample.service,
            sample.metric,
            sample.event_time.timestamp_millis(),
            series,
            sample.recorded_at.timestamp_millis(),
            evidence,
            body,
        ];
        self.check(self.transaction.prepare_cached(INSERT).and_then(|mut insert| insert.execute(values)))?;
        Ok(true)
    }

    pub(super) fn walk_samples(&mut self, service: &str, take: &mut dyn FnMut(u64, Sample)) -> Result<()> {
        let mut query = self.check(self.transaction.prepare_cached(RECORDED))?;
        let mut rows = self.check(query.query([service]))?;
        while let Some(row) = self.check(rows.next())? {
            let number: i64 = self.check(row.get(0))?;
            let body: String = self.check(row.get(1))?;
            take(unsigned(number), read(&body)?);
        }
        Ok(())
    }

    pub(super) fn find_samples(&mut self, filter: &SampleFilter) -> Result<Vec<Sample>> {
        let mut values = Vec::new();
        let mut clauses = Vec::new();
        let mut known = String::new();
        if let Some(as_of) = filter.as_of {
            known = " AND recorded_at <= ?".to_owned();
            values.push(Value::from(as_of.timestamp_millis()));
        }
        if let Some(service) = &filter.service {
            clauses.push("service = ?");
            values.push(Value::from(service.clone()));
        }
        if let Some(metric) = &filter.metric {
            clauses.push("metric = ?");
            values.push(Value::from(metric.clone()));
        }
        if let Some(since) = filter.since {
            clauses.push("event_time >= ?");
            values.push(Value::from(since.timestamp_millis()));
        }
        let wanted: String = clauses.iter().map(|clause| format!(" AND {clause}")).collect();
        let query = format!(
            "SELECT body FROM sample s WHERE number = \
             (SELECT MAX(number) FROM sample WHERE series = s.series{known}){wanted} ORDER BY event_time, number"
        );
        let rows = self.transaction.prepare_cached(&query).and_then(|mut query| {
            let rows = query.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        self.check(rows)?.iter().map(|body| read(body)).collect()
    }
}

fn read(body: &str) -> Result<Sample> {
    serde_json::from_str(body).map_err(|error| {
        Error::new(ErrorCode::StoreUnavailable, format!("a stored sample cannot be read: {error}"))
    })
}
