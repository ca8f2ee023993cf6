//! The rules: a stable name, how bad it is to break one, and why there is one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Somebody should look.
    Warning,
    /// It will harm, or not work, on the night it is needed.
    Error,
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name; it never changes.
    pub id: &'static str,
    /// How bad it is to break it.
    pub level: Level,
    /// What it asks for, in a few words.
    pub summary: &'static str,
    /// Why, and what to do instead.
    pub explanation: &'static str,
}

/// One thing that a rule found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// The bytes of the text there that are to blame.
    pub span: Option<Range<usize>>,
    /// Whether the key is to blame, not the value under it.
    pub on_key: bool,
    /// Whether what is to blame must not be shown: it looks like a secret.
    pub hidden: bool,
    /// One sentence.
    pub message: String,
    /// The safe replacement.
    pub help: String,
}

impl Finding {
    pub(super) fn new(rule: &'static Rule, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            rule,
            pointer: pointer.into(),
            span: None,
            on_key: false,
            hidden: false,
            message: message.into(),
            help: String::new(),
        }
    }

    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    #[must_use]
    pub(super) fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }

    #[must_use]
    pub(super) fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }
}

/// The rule of this name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

macro_rules! rules {
    ($($name:ident $level:ident $id:literal $summary:literal $explanation:literal)+) => {
        $(
            #[doc = $summary]
            pub(super) static $name: Rule =
                Rule { id: $id, level: Level::$level, summary: $summary, explanation: $explanation };
        )+

        /// Every rule, by group.
        pub static RULES: &[&Rule] = &[$(&$name),+];
    };
}

rules! {
    MISSING_ELSE Error "missing-else"
        "A decision says what happens when no branch is taken."
        "Without an `else` a decision falls through in silence when every condition is false. Write the last branch as `else: [steps]`, if only with a note."
    UNREACHABLE_BRANCH Error "unreachable-branch"
        "Every branch can be taken."
        "A branch after `else`, or with a condition that stands before, is never taken: somebody meant something else."
    OUTPUT_MAY_BE_MISSING Warning "output-may-be-missing"
        "A value is there when it is used."
        "The step that saves it may be skipped, may fail without stopping the run, or stands in a branch that need not be taken. Use the value in the same branch, or give the step another way out."
    UNMEASURED_CONDITION Warning "unmeasured-condition"
        "What a condition needs is measured."
        "No service of the workspace measures this metric and no step does: the condition is never decided, and a human is asked every time."
    UNUSED_DECLARATION Warning "unused-declaration"
        "What is declared is used."
        "An input, secret, escalation or checklist that nothing uses is asked for, fetched or kept up to date for nothing."
    UNVERIFIED_WRITE Error "unverified-write"
        "What changes something is proven."
        "A step that ended well has not shown that it worked. Give it `verify:` with a suite or expectations, or let a `verify` step follow in the same list."
    RETRY_OF_IRREVERSIBLE Error "retry-of-irreversible"
        "What cannot be taken back is not tried again by itself."
        "A request that timed out may have been carried out. State a milder `effect` if that is true, or leave `retry` out and let a human decide."
    COMPENSABLE_WITHOUT_UNDO Error "compensable-without-undo"
        "What can be made good says how."
        "`effect: compensable` promises steps that make it good. Write them under `undo:`, or state `irreversible`."
    EFFECT_NOT_STATED Warning "effect-not-stated"
        "A program's effect is stated."
        "Of a program nothing is known, so it is taken to be irreversible: it is not run in a rehearsal and not repeated after a crash. If it only looks, write `effect: read`."
    EFFECT_UNDERSTATED Error "effect-understated"
        "A step does no more than it says."
        "This kind of step changes something, whatever it says. A dry run would carry it out."
    LATE_TIMELINE Warning "late-timeline"
        "The timeline fits into the deadline."
        "Something is expected only after the whole runbook should be over."
    REVIEW_OVERDUE Warning "review-overdue"
        "A runbook is read again in time."
        "The date under `review_by` has passed. Read it, walk through it (`irctl runbook show --output checklist`), and set the next date."
    NO_OWNER Warning "no-owner"
        "A runbook has an owner."
        "Without an owner nobody keeps it true. Name a role of contacts.yaml."
    UNUSED_SUPPRESSION Warning "unused-suppression"
        "What is allowed happens."
        "Nothing here breaks the rule that is allowed to be broken. Take the exception out, or it will hide the next finding."
    SECRET_IN_TEXT Error "secret-in-text"
        "No secret stands in a runbook."
        "Runbooks are committed, printed and sent. Keep the secret elsewhere, declare a reference under `secrets:`, and change the secret: it has been seen."
    PASSWORD_IN_ARGUMENTS Error "password-in-arguments"
        "No secret stands on a command line."
        "Every user of the machine can read the arguments of every process. Deliver it by environment, file or password file, as `secrets:` does."
    PASSWORD_IN_URL Error "password-in-url"
        "No secret stands in an address."
        "Addresses end up in logs, process lists and error messages. Keep the whole address as a reference, or the password under `secrets:`."
    BROAD_KILL Error "broad-kill"
        "Processes are ended by identity, not by a part of a name."
        "`pkill -f`, `killall` and the like end whatever happens to match, an editor with the file open included. Use `process: {stop: {executable: …}}`: it finds the exact executable, waits, and can start it again."
    RECURSIVE_DELETE Error "recursive-delete"
        "Nothing is deleted by a pattern or a variable."
        "An empty variable or a wrong folder deletes what nobody can bring back. Use `cache: {roots: […], entries: […]}`: it moves things aside in an instant, and an undo moves them back."
    DATABASE_FLUSH Error "database-flush"
        "No whole database is emptied."
        "A flush takes the keys of everybody who shares the server. Use `redis: {purge: {url: …, pattern: …}}`: it keeps what it takes away."
    HARD_RESET Error "hard-reset"
        "Work is kept before a tree is reset."
        "`git reset --hard` and `git clean -f` delete uncommitted work for ever. Use a `git:` step, which keeps a backup branch and the work tree, or let a step make a backup first."
    PIPE_TO_SHELL Error "pipe-to-shell"
        "Nothing is run that was only just fetched."
        "Whoever can change the answer of the server runs what they like, and a broken connection runs half of it. Fetch a file, compare its digest, then run it."
    UNPINNED_INSTALL Error "unpinned-install"
        "Packages are installed in a version that is written down."
        "What is installed changes from one day to the next. Use `recipe: {name: pip-environment, with: {requirements: […]}}`, or pin with `==`."
    OPEN_PERMISSIONS Error "open-permissions"
        "Nothing is made writable for everybody."
        "Any user of the machine could then change it. Give the group what it needs: `chmod g+w`."
    DROP_OR_TRUNCATE Error "drop-or-truncate"
        "No table is dropped or emptied."
        "Nothing brings it back. Use a `sql: {write: …}` step, which keeps the rows it touches."
    WRITE_WITHOUT_WHERE Error "write-without-where"
        "A DELETE or UPDATE says which rows."
        "Without a WHERE every row of the table is meant. Say which, and let a `sql: {write: …}` step keep them and count them."
    DELETE_ALL_OBJECTS Error "delete-all-objects"
        "Objects of a cluster are named."
        "`kubectl delete --all` takes whatever is there, and a namespace everything in it. Name the object, or use a `kubernetes:` step, which scales or switches and can go back."
    DOCKER_PRUNE Error "docker-prune"
        "Nothing is pruned during an incident."
        "A prune takes stopped containers, images and volumes with their evidence, the version to go back to included. Remove single things by name."
}
