//! Commands that do more than anybody meant: in arguments, in scripts, and in what a human is told to type.

use super::command::{self, Placed};
use super::rule::{self as rules, Finding, Rule};
use super::shell::{Command, Word};
use super::sql::{self, Harm};
use crate::rollback::targets::sql::SqlChange;
use crate::runbook::kinds::SqlStep;
use crate::runbook::{Kind, RunbookConfig, StepConfig, walk};

pub(super) fn findings(runbook: &RunbookConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut saved = false;
    for (pointer, step) in walk::steps(runbook) {
        let commands = command::of_step(step, &pointer);
        for placed in &commands {
            found.extend(one(placed, saved));
            saved |= placed.program().is_some_and(|(name, words)| makes_backup(name, words));
        }
        found.extend(statements(step, &pointer));
        saved |= matches!(step.kind(), Some(Kind::Git(_)));
    }
    found
}

fn one(placed: &Placed, saved: bool) -> Vec<Finding> {
    let Some((name, words)) = placed.program() else { return Vec::new() };
    let check = Check { placed, words };
    let found = match name {
        "pkill" | "killall" | "killall5" | "skill" => check.broad_kill(name),
        "kill" => check.kill_everything(),
        "rm" => check.delete(),
        "find" => check.find_delete(),
        "redis-cli" | "valkey-cli" | "keydb-cli" => check.flush(),
        "git" if !saved => check.reset(),
        "chmod" => check.permissions(),
        "pip" | "pip3" | "pipx" => check.install(words),
        "uv" => check.after("pip").and_then(|words| check.install(words)),
        "kubectl" | "oc" => check.delete_all(),
        "docker" | "podman" => check.prune(),
        name if name.starts_with("python") => check.module_pip(),
        name if command::is_shell(name) => check.fetched_script(),
        _ => None,
    };
    let mut found: Vec<_> = found.into_iter().collect();
    found.extend(check.piped(name));
    found.extend(check.statements(name));
    found
}

struct Check<'a> {
    placed: &'a Placed,
    words: &'a [Word],
}

impl Check<'_> {
    fn finding(&self, rule: &'static Rule, word: &Word, message: String, help: &str) -> Option<Finding> {
        let (pointer, span) = self.placed.place(word);
        Some(Finding::new(rule, pointer, message).help(help).at(span))
    }

    /// The word of the program itself.
    fn program_word(&self) -> Option<&Word> {
        let all = &self.placed.command.words;
        all.get(all.len().checked_sub(self.words.len() + 1)?)
    }

    fn has(&self, option: &str) -> Option<&Word> {
        self.words.iter().find(|word| word.text == option)
    }

    /// Whether one of the letters stands in a bundle of short options: `-rf`.
    fn short(&self, letters: &[char]) -> bool {
        let bundles =
            self.words.iter().filter(|word| word.text.starts_with('-') && !word.text.starts_with("--"));
        bundles.into_iter().any(|word| word.text.contains(letters))
    }

    /// The words after a subcommand.
    fn after(&self, subcommand: &str) -> Option<&[Word]> {
        let first = self.words.iter().position(|word| !word.text.starts_with('-'))?;
        (self.words.get(first)?.text == subcommand).then(|| self.words.get(first + 1..).unwrap_or_default())
    }

    fn operands(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(|word| !word.text.starts_with('-'))
    }

    fn broad_kill(&self, name: &str) -> Option<Finding> {
        let message = format!("`{name}` ends whatever has such a name");
        let help = "process: {stop: {executable: /path/of/the/program, arguments: […], restart: […]}}";
        self.finding(&rules::BROAD_KILL, self.program_word()?, message, help)
    }

    fn kill_everything(&self) -> Option<Finding> {
        let searches = |inner: &Command| {
            matches!(command::program(inner), Some(("pgrep" | "pidof" | "ps" | "lsof" | "fuser", _)))
        };
        let found = self.placed.inner.iter().any(searches);
        let target = self.words.iter().skip(1).find(|word| word.text == "-1");
        if !found && target.is_none() {
            return None;
        }
        let message = "this ends whatever a search happens to find".to_owned();
        let help = "process: {stop: {executable: /path/of/the/program, arguments: […], restart: […]}}";
        self.finding(&rules::BROAD_KILL, self.program_word()?, message, help)
    }

    fn delete(&self) -> Option<Finding> {
        if !self.short(&['r', 'R']) && self.has("--recursive").is_none() {
            return None;
        }
        let (word, why) = self.operands().find_map(|word| Some((word, wide(word)?)))?;
        let message = format!("`{}` is deleted with all that is in it: {why}", word.text.escape_debug());
        self.finding(
            &rules::RECURSIVE_DELETE,
            word,
            message,
            "cache: {roots: [FOLDER], entries: [FOLDER/PATTERN]}",
        )
    }

    fn find_delete(&self) -> Option<Finding> {
        let delete = self.has("-delete");
        let executes = self.words.windows(2).find_map(|pair| match pair {
            [option, program]
                if matches!(option.text.as_str(), "-exec" | "-execdir") && program.text == "rm" =>
            {
                Some(program)
            }
            _ => None,
        });
        let word = delete.or(executes)?;
        let message = "everything that a search finds is deleted".to_owned();
        self.finding(
            &rules::RECURSIVE_DELETE,
            word,
            message,
            "cache: {roots: [FOLDER], entries: [FOLDER/PATTERN]}",
        )
    }

    fn flush(&self) -> Option<Finding> {
        let flushes = |word: &&Word| {
            let first = word.text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            matches!(first.as_str(), "FLUSHDB" | "FLUSHALL")
        };
        let word = self.words.iter().find(flushes)?;
        let message = format!("`{}` empties the database for everybody", word.text.escape_debug());
        self.finding(
            &rules::DATABASE_FLUSH,
            word,
            message,
            "redis: {purge: {url: \"env:REDIS_URL\", pattern: \"signals:*\"}}",
        )
    }

    fn reset(&self) -> Option<Finding> {
        // `git -C folder reset`: the options of git itself come first.
        let mut words = self.words.iter();
        let subcommand = loop {
            let word = words.next()?;
            match word.text.as_str() {
                "-C" | "-c" | "--git-dir" | "--work-tree" => drop(words.next()),
                text if text.starts_with('-') => {}
                _ => break word,
            }
        };
        let rest: Vec<&Word> = words.collect();
        let option = |wanted: &dyn Fn(&str) -> bool| rest.iter().copied().find(|word| wanted(&word.text));
        let (word, what) = match subcommand.text.as_str() {
            "reset" => (option(&|text| text == "--hard")?, "uncommitted work is lost"),
            "clean" => (
                option(&|text| {
                    text == "--force"
                        || text.starts_with('-') && !text.starts_with("--") && text.contains('f')
                })?,
                "files that git does not know are lost",
            ),
            "checkout" | "switch" => (
                option(&|text| matches!(text, "-f" | "--force" | "." | "--discard-changes"))?,
                "uncommitted work is lost",
            ),
            "restore" => (option(&|text| text == ".")?, "uncommitted work is lost"),
            "push" => (option(&|text| matches!(text, "-f" | "--force"))?, "commits of others are lost"),
            _ => return None,
        };
        let message =
            format!("`git {} {}` without a backup: {what}", subcommand.text, word.text.escape_debug());
        self.finding(
            &rules::HARD_RESET,
            word,
            message,
            "git: {mode: reset, to: REVISION}, which keeps a backup branch and the work tree",
        )
    }

    fn permissions(&self) -> Option<Finding> {
        let open = |word: &&Word| {
            let text = word.text.as_str();
            let digits = text.trim_start_matches('0');
            let number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let others = digits.bytes().last().is_some_and(|byte| matches!(byte, b'2' | b'3' | b'6' | b'7'));
            let symbols = text.split(',').any(|part| {
                part.split_once(['+', '=']).is_some_and(|(who, what)| {
                    (who.is_empty() || who.contains(['a', 'o']))
                        && what.contains('w')
                        && who.chars().all(|c| "ugoa".contains(c))
                })
            });
            number && others || symbols
        };
        let word = self.operands().next().filter(open)?;
        let message = format!("`chmod {}` lets everybody write", word.text.escape_debug());
        self.finding(&rules::OPEN_PERMISSIONS, word, message, "chmod g+w, and a group of those who need it")
    }

    fn module_pip(&self) -> Option<Finding> {
        let module = self.words.iter().position(|word| word.text == "-m")?;
        let name = self.words.get(module + 1)?;
        (name.text == "pip").then(|| self.install(self.words.get(module + 2..).unwrap_or_default()))?
    }

    /// `pip install` of something that is not pinned. Files of requirements, and projects of the folder, pin themselves.
    fn install(&self, words: &[Word]) -> Option<Finding> {
        let at = words.iter().position(|word| !word.text.starts_with('-'))?;
        if words.get(at)?.text != "install" {
            return None;
        }
        let takes_value = [
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-e",
            "--editable",
            "-i",
            "--index-url",
            "-f",
            "--find-links",
            "-t",
            "--target",
            "--extra-index-url",
            "--prefix",
            "--root",
        ];
        let mut words = words.get(at + 1..).unwrap_or_default().iter();
        let loose = loop {
            let word = words.next()?;
            let text = word.text.as_str();
            if takes_value.contains(&text) {
                words.next();
            } else if matches!(text, "-U" | "--upgrade") || !text.starts_with('-') && !is_pinned(text) {
                break word;
            }
        };
        let message =
            format!("`pip install {}` installs whatever is newest that day", loose.text.escape_debug());
        let help =
            "recipe: {name: pip-environment, with: {environment: .venv, requirements: [requirements.lock]}}";
        self.finding(&rules::UNPINNED_INSTALL, loose, message, help)
    }

    fn delete_all(&self) -> Option<Finding> {
        // Options of kubectl itself, with their values, may come first.
        let verb = self.words.iter().position(|word| word.text == "delete")?;
        let words = self.words.get(verb + 1..).unwrap_or_default();
        let all = words.iter().find(|word| {
            matches!(word.text.as_str(), "--all" | "--all=true" | "--all-namespaces" | "-A" | "all")
        });
        let space = words.iter().find(|word| matches!(word.text.as_str(), "namespace" | "namespaces" | "ns"));
        let word = all.or(space)?;
        let message = format!("`kubectl delete {}` takes everything there is", word.text.escape_debug());
        self.finding(
            &rules::DELETE_ALL_OBJECTS,
            word,
            message,
            "kubernetes: {scale: {deployment: NAME, replicas: 0}}",
        )
    }

    fn prune(&self) -> Option<Finding> {
        let word = self.operands().take(2).find(|word| word.text == "prune")?;
        let message = "what stands still is thrown away, with its logs".to_owned();
        self.finding(
            &rules::DOCKER_PRUNE,
            word,
            message,
            "name what is to go: docker rm NAME, docker image rm NAME",
        )
    }

    /// `sh -c "$(curl …)"` and `bash <(curl …)`.
    fn fetched_script(&self) -> Option<Finding> {
        let fetches = |inner: &Command| matches!(command::program(inner), Some(("curl" | "wget", _)));
        self.placed.inner.iter().any(fetches).then(|| self.fetched())?
    }

    fn piped(&self, name: &str) -> Option<Finding> {
        let before = self.placed.before.as_ref()?;
        let runs =
            command::is_shell(name) || name.starts_with("python") || matches!(name, "perl" | "ruby" | "node");
        let fetches = matches!(command::program(before), Some(("curl" | "wget", _)));
        (runs && fetches).then(|| self.fetched())?
    }

    fn fetched(&self) -> Option<Finding> {
        let message = "what a server answers is run at once".to_owned();
        self.finding(
            &rules::PIPE_TO_SHELL,
            self.program_word()?,
            message,
            "fetch a file, compare its digest (sha256sum --check), then run it",
        )
    }

    /// Statements that are handed to a client of a database.
    fn statements(&self, name: &str) -> Vec<Finding> {
        if !matches!(name, "psql" | "sqlite3" | "mysql" | "mariadb") {
            return Vec::new();
        }
        let mut found = Vec::new();
        for word in self.words.iter().filter(|word| word.text.contains(char::is_whitespace)) {
            let (pointer, span) = self.placed.place(word);
            found
                .extend(sql::harms(&word.text).into_iter().map(|harm| harmful(harm, &pointer, span.clone())));
        }
        for (start, text) in &self.placed.command.input {
            found.extend(sql::harms(text).into_iter().map(|harm| {
                let (Harm::Gone(at, _) | Harm::EveryRow(at, _)) = &harm;
                let at = self.placed.offset + start + at;
                harmful(harm, &self.placed.pointer, Some(at..at + 6))
            }));
        }
        found
    }
}

/// Why deleting this would take more than anybody meant.
fn wide(word: &Word) -> Option<&'static str> {
    let text = word.text.as_str();
    let plain = text.trim_end_matches(['/', '*']).trim_end_matches("/.");
    if word.expands || text.contains("{{") {
        return Some("nobody knows what a variable holds on the night");
    }
    if word.glob || text.contains('*') && word.argument.is_none() {
        return Some("a pattern takes whatever matches");
    }
    let top = text.starts_with('/') && plain.matches('/').count() <= 1;
    let here = matches!(plain, "" | "." | ".." | "~" | "./." | "../..") || text.starts_with("~");
    (top || here || text.contains("..")).then_some("it stands too near to the root")
}

fn is_pinned(package: &str) -> bool {
    package.contains("==")
        || package.contains(" @ ")
        || package.contains("@sha256")
        || package.starts_with(['.', '/'])
        || package.ends_with(".whl")
        || package.ends_with(".tar.gz")
}

/// Whether a command keeps work before it is reset.
fn makes_backup(name: &str, words: &[Word]) -> bool {
    let texts: Vec<&str> =
        words.iter().map(|word| word.text.as_str()).filter(|text| !text.starts_with('-')).collect();
    match (name, texts.as_slice()) {
        ("git", ["stash", ..]) => !matches!(texts.get(1), Some(&("drop" | "clear"))),
        ("git", ["branch" | "tag" | "bundle" | "worktree", _, ..]) => true,
        ("irctl", ["snapshot", ..]) => true,
        _ => false,
    }
}

fn harmful(harm: Harm, pointer: &str, span: Option<std::ops::Range<usize>>) -> Finding {
    match harm {
        Harm::Gone(_, what) => Finding::new(
            &rules::DROP_OR_TRUNCATE,
            pointer,
            format!("`{}` cannot be taken back", what.escape_debug()),
        )
        .help("sql: {write: {…}} with a DELETE that says which rows: they are kept")
        .at(span),
        Harm::EveryRow(_, verb) => Finding::new(
            &rules::WRITE_WITHOUT_WHERE,
            pointer,
            format!("this {verb} means every row of the table"),
        )
        .help("add a WHERE, and `rows: {at_most: N}` in a `sql: {write: …}` step")
        .at(span),
    }
}

/// The statements of a `sql` step itself. There rows are kept, so only what takes all of them is said.
fn statements(step: &StepConfig, pointer: &str) -> Vec<Finding> {
    let Some(Kind::Sql(SqlStep::Write(config))) = step.kind() else { return Vec::new() };
    let SqlChange::Statements(config) = &config.change else { return Vec::new() };
    let mut found = Vec::new();
    for (number, statement) in config.run.iter().enumerate() {
        let place = format!("{pointer}/sql/write/change/statements/run/{number}/sql");
        for harm in sql::harms(&statement.sql) {
            let (Harm::Gone(at, _) | Harm::EveryRow(at, _)) = harm;
            found.push(harmful(harm, &place, Some(at..at + 6)));
        }
    }
    found
}
