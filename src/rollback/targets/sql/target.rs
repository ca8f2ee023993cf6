//! The target: what it looks at, what it would change, and what it stages.

use std::path::Path;

use super::compile::{Compiled, Filler, compile, database, scopes};
use super::config::{Capture, SqlChange, SqlConfig};
use super::connection::{Connection, Database};
use super::image::{Difference, Image, SHOWN, difference};
use super::marker;
use super::name::TableName;
use super::presets::InProduction;
use super::run::{Trial, trial};
use super::scope::{Which, capture, shapes};
use super::switch::{SqlSwitch, Work};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted};
use crate::rollback::snapshot::conceal;
use crate::rollback::targets::{
    Fence, Fidelity, Goal, Ground, Kept, Observed, Prediction, ROWS, Rehearsed, Staging, SwitchSpec, Target,
};

/// See [`SqlConfig`].
pub struct SqlTarget<'a> {
    /// What is configured.
    pub config: &'a SqlConfig,
    /// Where it stands.
    pub ground: &'a Ground,
}

impl SqlTarget<'_> {
    /// The rows that a rollback would look at, as they are.
    fn rows(&self) -> Result<Image> {
        let database = self.database()?;
        let scopes = scopes(self.config, self.filler(&database, None))?;
        let mut connection = database.connect(self.config.timeouts)?;
        connection.begin(false)?;
        let known = shapes(connection.as_mut(), &scopes);
        let image = known
            .and_then(|known| capture(connection.as_mut(), &scopes, &known, Which::All, &[], false))
            .map(|captured| captured.image);
        connection.rollback();
        image
    }

    fn database(&self) -> Result<Database> {
        database(self.config, self.ground)
    }

    fn filler<'a>(&'a self, database: &Database, goal: Option<&'a Goal<'a>>) -> Filler<'a> {
        Filler { dialect: database.dialect(), ground: self.ground, goal }
    }

    fn marker(&self) -> TableName {
        self.config.marker.clone().unwrap_or_else(|| TableName::plain(marker::NAME))
    }

    /// What a log of deployments says is in production; nothing for other changes.
    ///
    /// # Errors
    /// A database that is not available.
    pub fn in_production(&self) -> Result<Vec<InProduction>> {
        let SqlChange::DeploymentLog(log) = &self.config.change else { return Ok(Vec::new()) };
        let database = self.database()?;
        let mut connection = database.connect(self.config.timeouts)?;
        connection.begin(false)?;
        let says = log.says(connection.as_mut(), self.filler(&database, None));
        connection.rollback();
        says
    }

    /// Tries everything in a transaction that is rolled back.
    fn tried(&self, goal: &Goal<'_>) -> Result<Tried> {
        let database = self.database()?;
        let compiled = compile(self.config, self.filler(&database, Some(goal)))?;
        let mut connection = database.connect(self.config.timeouts)?;
        refusals(connection.as_mut())?;
        let marker = self.marker();
        let trial = trial(connection.as_mut(), &compiled, &marker, &self.config.side_effects, goal.now)?;
        Ok((compiled, database, trial))
    }

    /// What is in place, of what a trial began with; none where that was about other rows.
    fn seen(&self, compiled: &Compiled, database: &Database, trial: &Trial) -> Option<Result<Observed>> {
        let scopes = scopes(self.config, self.filler(database, None)).ok()?;
        let observed = |digest| Observed { digest, shown: counted(&trial.before).into() };
        (scopes == compiled.scopes).then(|| trial.before.digest().map(observed))
    }

    fn predicted(&self, goal: &Goal<'_>, tried: Result<Tried>) -> Result<Prediction> {
        let mut prediction = match tried {
            Ok((_, _, Some(trial))) => self.told(&trial),
            Ok((_, _, None)) => Prediction::default(),
            Err(error) if error.code == ErrorCode::Refused => {
                let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                let refusals = vec![format!("{}{hint}", error.message)];
                return Ok(Prediction { refusals, ..Prediction::default() });
            }
            Err(error) => return Err(error),
        };
        self.cross_check(goal, &mut prediction)?;
        Ok(prediction)
    }

    fn told(&self, trial: &Trial) -> Prediction {
        let fidelity = match self.config.capture {
            Capture::Plan => Fidelity::Proven,
            Capture::Switch => Fidelity::Predicted,
        };
        let Difference { changes, rows } = difference(&trial.before, &trial.after, fidelity);
        let shown = if changes.len() < SHOWN {
            String::new()
        } else {
            format!(", of which the first {SHOWN} changes are shown")
        };
        let mut prediction = Prediction { changes, ..Prediction::default() };
        prediction.manner =
            Some(format!("one transaction over {rows} rows{shown}; others see all of it or nothing"));
        for shape in &trial.shapes {
            let inserts = appeared(&trial.before, &trial.after, &shape.table);
            if inserts > 0 && !shape.sequences.is_empty() {
                // The next number is given out when it is done, and will be another one.
                for change in prediction.changes.iter_mut().filter(|change| change.from.is_none()) {
                    change.fidelity = Fidelity::Predicted;
                }
                prediction.cannot_be_undone.extend(
                    shape
                        .sequences
                        .iter()
                        .map(|sequence| format!("the numbers that {sequence} has given out")),
                );
            }
            let behind = shape.triggers.iter().map(|trigger| format!("{trigger} on {}", shape.table));
            prediction.could_undo_this.extend(behind.map(|name| Untrusted::from(name).to_string()));
        }
        let ignored = self.config.side_effects.iter();
        prediction.cannot_be_undone.extend(ignored.map(|table| format!("what triggers write to {table}")));
        if let Some(error) = &trial.backward {
            prediction.refusals.push(format!("it could not be undone: {}", error.message));
        }
        prediction
    }

    /// Warns when the log knows another version than the one that serves.
    fn cross_check(&self, goal: &Goal<'_>, prediction: &mut Prediction) -> Result<()> {
        let SqlChange::DeploymentLog(log) = &self.config.change else { return Ok(()) };
        if !log.cross_check {
            return Ok(());
        }
        let says = self.in_production()?;
        let known = |name: &str| [goal.served.shown(), &goal.served.name].contains(&name);
        match says.as_slice() {
            [one] if known(one.version.raw()) => {}
            [] => prediction.warnings.push(format!("{} says that nothing is in production", log.table)),
            others => {
                let named: Vec<_> = others.iter().map(ToString::to_string).collect();
                prediction.warnings.push(format!(
                    "{} says that {} is in production, but {} serves",
                    log.table,
                    named.join(" and "),
                    Untrusted::from(goal.served.shown())
                ));
            }
        }
        Ok(())
    }
}

/// What was tried, where, and what that showed; nothing where there is nothing to do.
type Tried = (Compiled, Database, Option<Trial>);

/// How many rows there are of each table.
fn counted(image: &Image) -> String {
    let rows = |table: &super::image::TableImage| format!("{} rows of {}", table.rows.len(), table.table);
    image.tables.iter().map(rows).collect::<Vec<_>>().join(", ")
}

fn appeared(before: &Image, after: &Image, table: &TableName) -> usize {
    let rows = |image: &Image| image.tables.iter().find(|image| image.table == *table).cloned();
    let (Some(before), Some(after)) = (rows(before), rows(after)) else { return 0 };
    let known = before.by_key();
    after.rows.iter().filter(|row| !known.contains_key(&row.key)).count()
}

fn refusals(connection: &mut dyn Connection) -> Result<()> {
    match connection.refusals()?.into_iter().next() {
        None => Ok(()),
        Some(refusal) => Err(Error::new(ErrorCode::Refused, refusal).hint("nothing was changed")),
    }
}

impl Target for SqlTarget<'_> {
    fn kind(&self) -> &'static str {
        "sql"
    }

    fn name(&self) -> String {
        if let Some(name) = &self.config.name {
            return format!("sql {name}");
        }
        match &self.config.change {
            SqlChange::DeploymentLog(log) => format!("sql deployment log {}", log.table),
            SqlChange::ClientSettings(settings) => format!("sql client settings {}", settings.table),
            SqlChange::Statements(statements) => {
                let tables: Vec<_> = statements.keep.iter().map(|keep| keep.table.to_string()).collect();
                format!("sql rows of {}", tables.join(", "))
            }
        }
    }

    fn fence(&self) -> Fence {
        Fence::Native
    }

    fn sweep(&self, _operation: &str) -> Result<()> {
        self.database()?.settle(self.config.timeouts)
    }

    fn observe(&self) -> Result<Observed> {
        let image = self.rows()?;
        let shown = match &self.config.change {
            SqlChange::DeploymentLog(_) => {
                let says: Vec<_> = self.in_production()?.iter().map(ToString::to_string).collect();
                if says.is_empty() {
                    "nothing in production".to_owned()
                } else {
                    format!("in production: {}", says.join(" and "))
                }
            }
            _ => counted(&image),
        };
        Ok(Observed { digest: image.digest()?, shown: shown.into() })
    }

    /// What is tried begins with what is there: the same rows, where the goal does not choose them.
    fn look(&self, goal: &Goal<'_>) -> (Result<Observed>, Result<Prediction>) {
        if matches!(self.config.change, SqlChange::DeploymentLog(_)) {
            return (self.observe(), self.predict(goal));
        }
        let tried = self.tried(goal);
        let observed = match &tried {
            Ok((compiled, database, Some(trial))) => self.seen(compiled, database, trial),
            _ => None,
        };
        (observed.unwrap_or_else(|| self.observe()), self.predicted(goal, tried))
    }

    /// The rows that a rollback would change, without the values of secrets.
    fn keep(&self, into: &Path) -> Result<Vec<Kept>> {
        let text = serde_json::to_string_pretty(&self.rows()?)
            .map_err(|error| Error::new(ErrorCode::Bug, format!("rows to keep: {error}")))?;
        let (text, left_out) = conceal::secrets(&text);
        Ok(vec![Kept { left_out, ..Kept::written(into, ROWS, text.as_bytes())? }])
    }

    fn predict(&self, goal: &Goal<'_>) -> Result<Prediction> {
        self.predicted(goal, self.tried(goal))
    }

    fn stage(&self, goal: &Goal<'_>, staging: &Staging<'_>) -> Result<Vec<SwitchSpec>> {
        let (compiled, database, trial) = self.tried(goal)?;
        let Some(trial) = trial else { return Ok(Vec::new()) };
        if let Some(error) = trial.backward {
            return Err(Error { message: format!("it could not be undone: {}", error.message), ..error });
        }
        let fidelity =
            if self.config.capture == Capture::Plan { Fidelity::Proven } else { Fidelity::Predicted };
        let difference = difference(&trial.before, &trial.after, fidelity);
        if difference.rows == 0 && self.config.capture == Capture::Plan {
            return Ok(Vec::new());
        }
        let work = Work::Statements { locks: compiled.locks, statements: compiled.statements };
        let pinned = serde_json::to_vec(&(&work, &compiled.scopes)).map_err(|error| {
            Error::new(ErrorCode::Bug, format!("a switch cannot be written down: {error}"))
        })?;
        Ok(vec![SwitchSpec::Sql(Box::new(SqlSwitch {
            database,
            timeouts: self.config.timeouts,
            marker: self.marker(),
            side_effects: self.config.side_effects.clone(),
            name: self.name(),
            operation: staging.operation.to_owned(),
            step: format!("{} {}", self.name(), Digest::of(&pinned).short()),
            images: staging.images.to_path_buf(),
            scopes: compiled.scopes,
            work,
            capture: self.config.capture,
            before: trial.before.save(staging.images)?,
            after: trial.after.save(staging.images)?,
            rows: difference.rows,
            changes: difference.changes,
            earlier: None,
        }))])
    }

    fn rehearse(&self, goal: &Goal<'_>, _scratch: &Path) -> Result<Vec<Rehearsed>> {
        let what = |what: &str| format!("{}: {what} in a transaction that was rolled back", self.name());
        let part = |named: &str, elapsed_ms, failure: Option<String>, not_run: Option<String>| Rehearsed {
            what: what(named),
            elapsed_ms,
            failure,
            not_run,
        };
        Ok(match self.tried(goal) {
            Ok((_, _, Some(trial))) => vec![
                part("switch", trial.forward_ms, None, None),
                part("undo", trial.backward_ms, trial.backward.map(|error| error.message), None),
            ],
            Ok((_, _, None)) => vec![part("switch", 0, None, Some("there is nothing to change".to_owned()))],
            Err(error) => vec![part("switch", 0, Some(error.message), None)],
        })
    }
}
