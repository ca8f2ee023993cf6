//! A repository on this machine, and what it can be asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::call::Call;
use super::memo;
use super::written;
use crate::base::process::{Ending, Output};
use crate::base::{Digest, Error, ErrorCode, Result};
use crate::operation::StepContext;

/// A repository: a work tree with its git directory, or a bare one.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The top of the work tree, or the git directory of a bare repository.
    pub top: PathBuf,
    /// The git directory of this work tree.
    pub git_dir: PathBuf,
    /// The git directory that all work trees of the repository share.
    pub common_dir: PathBuf,
    /// Whether it has no work tree.
    pub bare: bool,
    /// Whether its history is cut off.
    pub shallow: bool,
    /// The object format: `sha1` or `sha256`.
    pub format: String,
    /// Where new objects go instead of into the repository, for looking without leaving a trace.
    pub(super) objects: Option<PathBuf>,
}

/// What HEAD says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch, as `refs/heads/main`.
    Branch(String),
    /// A commit.
    Detached,
}

impl Repository {
    /// The repository whose work tree has its top here, or the bare one that is here.
    ///
    /// # Errors
    /// `not-found` where there is none, `refused` where the folder is only a part of a work tree.
    pub fn open(directory: &Path) -> Result<Self> {
        let shown = directory.display().to_string();
        if !directory.is_dir() {
            return Err(Error::new(ErrorCode::NotFound, format!("there is no folder {shown}"))
                .hint("`repository:` names a git work tree, relative to the workspace"));
        }
        let real = directory.canonicalize().map_err(|error| Error::io(shown.clone(), error))?;
        if let Some(known) = memo::repository(&real) {
            return Ok(known);
        }
        let mut repository = Self {
            top: real.clone(),
            git_dir: PathBuf::new(),
            common_dir: PathBuf::new(),
            bare: false,
            shallow: false,
            format: String::new(),
            objects: None,
        };
        let questions = [
            "rev-parse",
            "--path-format=absolute",
            "--is-bare-repository",
            "--is-shallow-repository",
            "--show-object-format",
            "--git-dir",
            "--git-common-dir",
            "--show-toplevel",
        ];
        let answer = repository.introduced(&Call::new(questions)).map_err(|error| {
            Error::new(ErrorCode::NotFound, format!("{shown} is no git repository: {}", error.message))
                .hint("`repository:` names a git work tree; git must be installed and trust its owner")
        })?;
        let mut lines = answer.lines();
        let mut next = || lines.next().unwrap_or_default().to_owned();
        repository.bare = next() == "true";
        repository.shallow = next() == "true";
        repository.format = next();
        repository.git_dir = PathBuf::from(next());
        repository.common_dir = PathBuf::from(next());
        let top = if repository.bare { repository.git_dir.clone() } else { PathBuf::from(next()) };
        if !repository.git_dir.is_dir() || !repository.common_dir.is_dir() {
            return Err(Error::new(
                ErrorCode::InvalidData,
                format!("{shown}: its git directory has no plain name"),
            )
            .hint("a line break in the name of a folder is more than irctl reads"));
        }
        check_top(&real, &top)?;
        memo::opened(&real, &repository);
        Ok(repository)
    }

    /// What a repository says of itself. A bare one has no work tree, which is asked for last: it fails then, and has
    /// said everything else.
    fn introduced(&self, call: &Call) -> Result<String> {
        let output = self.prepared(call).invocation(&self.top).run()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.starts_with("true\n") && text.lines().count() == 5 {
            return Ok(text);
        }
        call.judge(output).map(|_| text)
    }

    /// The same repository, where new objects go into this folder instead.
    #[must_use]
    pub fn with_objects(&self, folder: &Path) -> Self {
        Self { objects: Some(folder.to_path_buf()), ..self.clone() }
    }

    fn prepared(&self, call: &Call) -> Call {
        match &self.objects {
            None => call.clone().setting("core.fsync=all"),
            Some(objects) => call
                .clone()
                .setting("core.fsync=none")
                .setting("core.looseCompression=0")
                .environment("GIT_OBJECT_DIRECTORY", objects.display().to_string())
                .environment(
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                    self.common_dir.join("objects").display().to_string(),
                ),
        }
    }

    /// Runs a call that only looks, or writes what nobody sees.
    pub fn run(&self, call: &Call) -> Result<Output> {
        let call = self.prepared(call);
        let output = call.invocation(&self.top).run()?;
        call.judge(output)
    }

    /// Runs a call that changes something; who it is stands in the journal before it is waited for.
    pub fn act(&self, context: &mut StepContext<'_>, call: &Call) -> Result<Output> {
        let call = self.prepared(call);
        let output = context.run(&format!("git {}", call.name()), call.invocation(&self.top))?;
        call.judge(output)
    }

    /// What a call prints.
    pub fn bytes(&self, call: &Call) -> Result<Vec<u8>> {
        self.run(call).map(|output| output.stdout)
    }

    /// What a call prints that names nothing but objects, by their whole ids: no other answer can come.
    pub fn eternal(&self, call: &Call) -> Result<Arc<Vec<u8>>> {
        memo::answer(self, &call.question(), None, || self.bytes(call), || true)
    }

    /// What a call prints that asks only what an index holds; that of the work tree where none is named.
    pub fn of_index(&self, call: Call, index: Option<&Path>) -> Result<Arc<Vec<u8>>> {
        let path = index.map_or_else(|| self.git_dir.join("index"), Path::to_path_buf);
        let before = digest_of_index(&path)?;
        let call = match index {
            Some(index) => call.index(index),
            None => call,
        };
        // Somebody may have written the index between our reading it and git's: that answer is to other bytes.
        let holds = || digest_of_index(&path).is_ok_and(|now| now == before);
        memo::answer(self, &call.question(), Some(&before), || self.bytes(&call), holds)
    }

    /// What a call prints, without the line break at its end.
    pub fn line(&self, call: &Call) -> Result<String> {
        let bytes = self.bytes(call)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// What a call prints; `None` where it exits with status 1, as git does where there is nothing.
    pub fn maybe(&self, call: &Call) -> Result<Option<String>> {
        let call = self.prepared(call);
        let output = call.invocation(&self.top).run()?;
        if output.ending == Ending::Exit(1) {
            return Ok(None);
        }
        let output = call.judge(output)?;
        Ok(Some(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()))
    }

    /// What HEAD says.
    pub fn head(&self) -> Result<Head> {
        if let Some(branch) = self.written_head() {
            return Ok(Head::Branch(branch));
        }
        let found = self.maybe(&Call::new(["symbolic-ref", "--quiet", "HEAD"]))?;
        Ok(found.map_or(Head::Detached, Head::Branch))
    }

    /// The branch that stands in the file of HEAD. Whatever else may be there, a link, a commit, or the name that says
    /// that references are kept in another way, is for git to read.
    fn written_head(&self) -> Option<String> {
        let path = self.git_dir.join("HEAD");
        path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
        let text = std::fs::read_to_string(path).ok()?;
        let name = text.strip_prefix("ref: ")?.trim();
        let plain = name.starts_with("refs/heads/") && !name.contains("/.") && name.lines().count() == 1;
        plain.then(|| name.to_owned())
    }

    /// The value of a reference; `None` where there is none.
    pub fn reference(&self, name: &str) -> Result<Option<String>> {
        if let Some(known) = written::reference(&self.common_dir, name) {
            return Ok(known);
        }
        self.maybe(&Call::new(["rev-parse", "--verify", "--quiet", "--end-of-options", name]))
    }

    /// Whether git knows who commits; where it does not, irctl names itself.
    pub fn knows_identity(&self) -> bool {
        ["user.name", "user.email"]
            .iter()
            .all(|key| matches!(self.maybe(&Call::new(["config", "--get", key])), Ok(Some(text)) if !text.is_empty()))
    }
}

/// What tells the bytes of one index from those of another. A repository without one has an empty one.
fn digest_of_index(path: &Path) -> Result<Digest> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Digest::of(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Digest::of(&[])),
        Err(error) => Err(Error::io(format!("cannot read {}", path.display()), error)),
    }
}

/// Refuses what is only a part of a work tree.
fn check_top(real: &Path, top: &Path) -> Result<()> {
    if top.canonicalize().ok().as_deref() == Some(real) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Refused,
        format!("{} is not the top of its work tree, {} is", real.display(), top.display()),
    )
    .hint("name the top in `repository:`; for a part of it use `mode: paths`. A top outside the workspace is not touched"))
}

/// The first twelve digits of an object's id.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Whether a text is the whole id of an object.
pub fn is_object(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
