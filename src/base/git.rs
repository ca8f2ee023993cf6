//! git, the program, as every room asks it: by argv, without prompts, pagers, hooks, monitors or the network, and blind to
//! what the caller's environment says of repositories.

use std::path::Path;

use super::process::Invocation;

/// Settings that may not differ from machine to machine or from user to user. What the rest of the user's settings say
/// (filters, ignored files, identity, safe directories) belongs to the repository's meaning and stays.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.safecrlf=false",
    "core.splitIndex=false",
    "core.pager=cat",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "color.ui=false",
    "advice.detachedHead=false",
    "status.showUntrackedFiles=normal",
];

/// Variables that would lead git elsewhere: irctl may itself run below a hook.
const LEADING_ASTRAY: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_ATTR_SOURCE",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_DEFAULT_HASH",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE_SETUP",
];

/// `GIT_ALLOW_PROTOCOL` with a name that is no protocol: nothing is pushed or fetched, not even by a partial clone.
/// `GIT_NO_REPLACE_OBJECTS`: an object is what its id says, whatever somebody wants to see in its place.
const SURROUNDINGS: &[(&str, &str)] = &[
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "true"),
    ("GIT_SEQUENCE_EDITOR", "true"),
    ("GIT_ASKPASS", "true"),
    ("SSH_ASKPASS", "true"),
];

/// A call of git in a folder: `settings` are for this call alone, as `core.fsync=all`.
///
/// Paths in its arguments are taken literally. It takes no locks that it can do without.
pub fn invocation<'a>(
    directory: &Path,
    settings: impl IntoIterator<Item = &'a str>,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Invocation {
    let mut argv = vec!["git".to_owned(), "--no-pager".to_owned()];
    for setting in SETTINGS.iter().copied().chain(settings) {
        argv.extend(["-c".to_owned(), setting.to_owned()]);
    }
    argv.extend(arguments.into_iter().map(str::to_owned));
    let invocation = Invocation::new(argv).directory(directory);
    let invocation = LEADING_ASTRAY.iter().fold(invocation, |call, name| call.forget(*name));
    SURROUNDINGS.iter().fold(invocation, |call, (name, value)| call.environment(*name, *value))
}
