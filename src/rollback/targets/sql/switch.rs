//! One switch: a transaction that leaves a mark when it commits, and another that takes it back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::compile::Counted;
use super::config::{Capture, SqlTimeouts};
use super::connection::{Connection, Database, Shape};
use super::image::{Image, three_way};
use super::marker::{self, Mark, Whose};
use super::name::TableName;
use super::run::{both_keys, change, put};
use super::scope::{Scope, Which, capture, shapes};
use super::transact::{Inside, transact};
use crate::base::{Digest, Error, ErrorCode, Result, Untrusted};
use crate::operation::{Observation, StepContext};
use crate::rollback::targets::{Change, Staging, Switch, SwitchSpec};

/// Rows of a database, as they are pinned: what runs, what is kept, and where it is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SqlSwitch {
    /// The database.
    pub database: Database,
    /// How long it is waited for what.
    pub timeouts: SqlTimeouts,
    /// The table of marks.
    pub marker: TableName,
    /// Tables that triggers may write to.
    pub side_effects: Vec<TableName>,
    /// What it is called.
    pub name: String,
    /// The operation.
    pub operation: String,
    /// The name of the step in the table of marks.
    pub step: String,
    /// The folder of before-images.
    pub images: PathBuf,
    /// Which rows it may touch.
    pub scopes: Vec<Scope>,
    /// What it does to them.
    pub work: Work,
    /// Which rows count as those that were.
    pub capture: Capture,
    /// The digest of the rows as they were when it was staged.
    pub before: Digest,
    /// The digest of the rows as they would have been afterwards then.
    pub after: Digest,
    /// How many rows change.
    pub rows: usize,
    /// What changes, the first of it.
    pub changes: Vec<Change>,
    /// The switch that this one asserts again, when a containment is asserted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<SqlSwitch>>,
}

/// What a switch does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Runs statements.
    Statements {
        /// Tables to which nobody else may write meanwhile.
        locks: Vec<TableName>,
        /// The statements.
        statements: Vec<Counted>,
    },
    /// Turns the rows of one image into those of the other.
    Rows,
}

impl SqlSwitch {
    pub(super) fn whose(&self) -> Whose<'_> {
        Whose { table: &self.marker, operation: &self.operation, step: &self.step }
    }

    /// The two images that tell what was and what was to be: those of the mark where there is one.
    pub(super) fn images(&self, mark: Option<&Mark>) -> Result<(Image, Image)> {
        let (before, after) = mark.map_or((&self.before, &self.after), |mark| (&mark.before, &mark.after));
        Ok((Image::load(&self.images, before)?, Image::load(&self.images, after)?))
    }

    /// The rows that are there now, of those that it may touch.
    pub(super) fn found(
        &self,
        connection: &mut dyn Connection,
        known: &[Shape],
        which: Which,
        images: (&Image, &Image),
        lock: bool,
    ) -> Result<Image> {
        let keys = both_keys(images.0, images.1);
        Ok(capture(connection, &self.scopes, known, which, &keys, lock)?.image)
    }

    /// Of a switch that has not acted: statements look for all that matches.
    fn which(&self) -> Which {
        match self.work {
            Work::Statements { .. } => Which::All,
            Work::Rows => Which::Ours,
        }
    }

    fn look(&self, connection: &mut dyn Connection) -> Result<Observation> {
        connection.lock(&self.whose().lock())?;
        let mark = marker::read(connection, self.whose())?.filter(|mark| !mark.undone);
        if let (None, Some(earlier)) = (&mark, &self.earlier) {
            return earlier.look(connection);
        }
        let (before, after) = self.images(mark.as_ref())?;
        let known = shapes(connection, &self.scopes)?;
        if mark.is_none() && self.capture == Capture::Switch {
            return Ok(Observation::Before(None));
        }
        let which = if mark.is_some() { Which::Ours } else { self.which() };
        let found = self.found(connection, &known, which, (&before, &after), false)?;
        let differs = |expected: &Image| three_way(expected, &before, &after, &found);
        let drift = match (&mark, differs(&after)) {
            (_, None) => return Ok(Observation::After),
            (Some(_), Some(told)) => told,
            (None, Some(_)) => match differs(&before) {
                None => return Ok(Observation::Before(Some(self.before.clone()))),
                Some(told) => told,
            },
        };
        let rows = |image: &Image| {
            format!(
                "{} rows, {}",
                image.rows(),
                image.digest().map_or_else(|_| String::new(), |digest| digest.short().to_owned())
            )
        };
        Ok(Observation::Other { before: rows(&before), after: rows(&after), found: drift })
    }

    fn forward(&self, connection: &mut dyn Connection, now: DateTime<Utc>) -> Result<Inside> {
        connection.lock(&self.whose().lock())?;
        if marker::read(connection, self.whose())?.is_some_and(|mark| !mark.undone) {
            return Ok(Inside::Nothing("it was committed before".to_owned()));
        }
        if let Some(refusal) = connection.refusals()?.into_iter().next() {
            return Err(Error::new(ErrorCode::Refused, refusal).hint("nothing was changed"));
        }
        let known = shapes(connection, &self.scopes)?;
        if let Work::Statements { locks, .. } = &self.work {
            for table in locks {
                connection.lock_table(table)?;
            }
        }
        let (before, after) = self.images(None)?;
        let found = self.found(connection, &known, self.which(), (&before, &after), true)?;
        if self.capture == Capture::Plan {
            self.compare(&before, (&before, &after), &found)?;
        }
        crate::base::fault::point("sql:before-change");
        let left = match &self.work {
            Work::Statements { statements, .. } => {
                change(connection, statements, &self.scopes, &known, &found, &self.side_effects)?.image
            }
            Work::Rows => {
                put(connection, &self.scopes, &known, &before, &after, &self.side_effects)?;
                after
            }
        };
        // Both must be on disk before anybody can see the change.
        let (was, is) = (found.save(&self.images)?, left.save(&self.images)?);
        marker::ensure(connection, &self.marker)?;
        marker::applied(connection, self.whose(), &was, &is, now)?;
        Ok(Inside::Commit { said: format!("{} rows, in one transaction", self.rows), undone: false })
    }

    fn backward(&self, connection: &mut dyn Connection, now: DateTime<Utc>) -> Result<Inside> {
        connection.lock(&self.whose().lock())?;
        let Some(mark) = marker::read(connection, self.whose())?.filter(|mark| !mark.undone) else {
            return Ok(Inside::Nothing("it was never committed, or is undone already".to_owned()));
        };
        let (before, after) = self.images(Some(&mark))?;
        let known = shapes(connection, &self.scopes)?;
        let found = self.found(connection, &known, Which::Ours, (&before, &after), true)?;
        self.compare(&after, (&before, &after), &found)?;
        crate::base::fault::point("sql:before-undo");
        put(connection, &self.scopes, &known, &after, &before, &self.side_effects)?;
        marker::undone(connection, self.whose(), now)?;
        Ok(Inside::Commit { said: format!("{} rows are as they were", self.rows), undone: true })
    }

    fn compare(&self, expected: &Image, images: (&Image, &Image), found: &Image) -> Result<()> {
        let Some(told) = three_way(expected, images.0, images.1, found) else { return Ok(()) };
        Err(Error::new(ErrorCode::Drifted, format!("{}: somebody else changed rows: {told}", self.name))
            .hint("look at the rows; put them as they were expected, or make a new plan"))
    }
}

impl Switch for SqlSwitch {
    fn id(&self) -> String {
        self.step.clone()
    }

    fn describe(&self) -> String {
        let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        format!("change {rows}: {}", Untrusted::from(self.name.as_str()))
    }

    fn observe(&self) -> Result<Observation> {
        let mut connection = self.database.connect(self.timeouts)?;
        connection.begin(false)?;
        let observation = self.look(connection.as_mut());
        connection.rollback();
        observation
    }

    fn act(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        let now = context.now()?;
        transact(self, |connection| self.forward(connection, now)).map(Some)
    }

    fn undo(&self, context: &mut StepContext<'_>) -> Result<Option<String>> {
        let now = context.now()?;
        transact(self, |connection| self.backward(connection, now)).map(Some)
    }

    fn put_back(&self, context: &mut StepContext<'_>) -> Result<Vec<String>> {
        self.return_rows(context.now()?)
    }

    fn changes(&self) -> Vec<Change> {
        self.changes.clone()
    }

    fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        let mut connection = self.database.connect(self.timeouts)?;
        connection.begin(false)?;
        let looked = self.look(connection.as_mut());
        let mark = marker::read(connection.as_mut(), self.whose());
        connection.rollback();
        let Some(mark) = mark?.filter(|mark| !mark.undone) else {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("{}: there is nothing of {} to take back", self.name, self.operation),
            )
            .hint("its transaction was never committed, or was undone since"));
        };
        if let Observation::Other { found, .. } = looked? {
            return Err(Error::new(
                ErrorCode::Drifted,
                format!("{}: somebody else changed rows: {found}", self.name),
            )
            .hint("look at the rows; what they wrote is not overwritten"));
        }
        let (before, after) = self.images(Some(&mark))?;
        let changes = super::image::difference(&after, &before, crate::rollback::targets::Fidelity::Proven);
        Ok(SwitchSpec::Sql(Box::new(Self {
            operation: staging.operation.to_owned(),
            images: staging.images.to_path_buf(),
            work: Work::Rows,
            capture: Capture::Plan,
            before: after.save(staging.images)?,
            after: before.save(staging.images)?,
            rows: changes.rows,
            changes: changes.changes,
            earlier: None,
            ..self.clone()
        })))
    }

    fn tidy(&self) -> Result<()> {
        self.database.settle(self.timeouts)
    }
}
