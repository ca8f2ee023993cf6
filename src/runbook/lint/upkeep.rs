//! Whether somebody keeps a runbook true: owner, review, and times that fit together.

use chrono::NaiveDate;

use super::rule::{self as rules, Finding};
use crate::runbook::{ReviewBy, RunbookConfig};

pub(super) fn findings(runbook: &RunbookConfig, today: NaiveDate) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(ReviewBy::Date(date)) = runbook.review_by
        && date < today
    {
        let message = format!("this should have been read again by {date}");
        let help = "read it, walk through it, and set the next date";
        found.push(Finding::new(&rules::REVIEW_OVERDUE, "/review_by", message).help(help));
    }
    if runbook.owner.is_none() {
        let message = "nobody keeps this runbook true";
        found.push(Finding::new(&rules::NO_OWNER, "/runbook", message).help("add `owner: ROLE`"));
    }
    if let Some(deadline) = runbook.deadline {
        for (number, point) in runbook.timeline.iter().enumerate() {
            if point.at.approximate() > deadline.approximate() {
                let message = format!(
                    "`{}` is expected {} after the start, and all is to be over after {deadline}",
                    point.expect, point.at
                );
                let finding = Finding::new(&rules::LATE_TIMELINE, format!("/timeline/{number}/at"), message);
                found.push(finding.help("raise `deadline`, or expect it earlier"));
            }
        }
    }
    found
}
