//! One transaction from its beginning to the certainty of how it ended.

use std::time::Duration;

use super::connection::Connection;
use super::marker;
use super::switch::SqlSwitch;
use crate::base::{Error, ErrorCode, Result, Untrusted, fault};

/// How often it is tried to learn how a transaction ended.
const ATTEMPTS: u32 = 4;

/// What the work inside a transaction came to.
pub(super) enum Inside {
    /// There is nothing to commit, and why.
    Nothing(String),
    /// It is ready.
    Commit {
        /// What there is to say about it.
        said: String,
        /// Whether the mark says that the step is undone.
        undone: bool,
    },
}

/// Opens a transaction, does the work in it and commits. Whatever fails before the commit leaves nothing. Where the
/// connection is lost in the commit itself, the mark tells how it ended: nobody else can leave or change it, and
/// reading it waits until the server is through with the lost session.
pub(super) fn transact(
    switch: &SqlSwitch,
    work: impl FnOnce(&mut dyn Connection) -> Result<Inside>,
) -> Result<String> {
    let mut connection = switch.database.connect(switch.timeouts)?;
    fault::point("sql:before-begin");
    connection.begin(true).map_err(|error| blamed(switch, connection.as_mut(), error))?;
    let inside = match work(connection.as_mut()) {
        Ok(inside) => inside,
        Err(error) => {
            connection.rollback();
            return Err(blamed(switch, connection.as_mut(), error));
        }
    };
    let Inside::Commit { said, undone } = inside else {
        connection.rollback();
        let Inside::Nothing(said) = inside else { return Ok(String::new()) };
        return Ok(said);
    };
    fault::point("sql:before-commit");
    let committed = connection.commit();
    fault::point("sql:after-commit");
    match committed {
        Ok(()) => Ok(said),
        Err(error) if error.code == ErrorCode::OutcomeUnknown => {
            drop(connection);
            settle(switch, undone, error).map(|()| said)
        }
        Err(error) => {
            connection.rollback();
            Err(error)
        }
    }
}

/// Learns how a transaction ended whose commit was not answered.
fn settle(switch: &SqlSwitch, undone: bool, lost: Error) -> Result<()> {
    let mut why = lost.message;
    for attempt in 0..ATTEMPTS {
        std::thread::sleep(Duration::from_millis(100) * 3_u32.pow(attempt));
        match committed(switch, undone) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                return Err(Error::new(ErrorCode::Unavailable, format!("{why}. It was not committed"))
                    .hint("nothing was changed; try again when the database is well"));
            }
            Err(error) if attempt + 1 == ATTEMPTS => why = format!("{why}; {}", error.message),
            Err(_) => {}
        }
    }
    Err(Error::new(
        ErrorCode::OutcomeUnknown,
        format!("{why}. Whether it was committed cannot be learnt now"),
    )
    .hint(format!(
        "when the database answers again, `irctl rollback resume` learns it from the row of {} in {}",
        switch.operation, switch.marker
    )))
}

fn committed(switch: &SqlSwitch, undone: bool) -> Result<bool> {
    let mut connection = switch.database.connect(switch.timeouts)?;
    connection.begin(false)?;
    connection.lock(&switch.whose().lock())?;
    let mark = marker::read(connection.as_mut(), switch.whose())?;
    connection.rollback();
    Ok(mark.is_some_and(|mark| mark.undone == undone))
}

/// Names whoever holds the locks that it waited for in vain.
fn blamed(switch: &SqlSwitch, connection: &mut dyn Connection, error: Error) -> Error {
    if error.code != ErrorCode::Busy {
        return error;
    }
    let tables = switch.scopes.iter().map(|scope| &scope.table);
    let mut holders: Vec<_> = tables.flat_map(|table| connection.holders(table)).collect();
    holders.dedup();
    if holders.is_empty() {
        return error;
    }
    let named = holders.iter().map(|holder| Untrusted::from(holder.as_str()).to_string()).collect::<Vec<_>>();
    Error { message: format!("{}; locks are held by {}", error.message, named.join(", ")), ..error }
}
