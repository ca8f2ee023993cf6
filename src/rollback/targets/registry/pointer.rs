//! The key of a manifest that names the active entry, where a manifest has one.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

use super::{RegistrySwitch, manifest};
use crate::base::{Digest, Error, ErrorCode, Result, fault, file};
use crate::operation::Observation;
use crate::rollback::settings_edit::{self, Format};
use crate::rollback::targets::{Change, Fidelity, Staging, SwitchSpec};

/// The switch of that key, as it is pinned. The rest of the manifest stays byte for byte, whoever adds to it meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PointerSwitch {
    /// The manifest.
    pub manifest: PathBuf,
    /// The dotted key.
    pub key: String,
    /// What it says.
    pub before: Value,
    /// What it is to say.
    pub after: Value,
    /// The digest of the manifest once it says that.
    pub switched: Digest,
    /// A copy of the manifest as it was.
    pub image: PathBuf,
}

/// The value of a key of a manifest.
pub fn value(text: &str, key: &str) -> Result<Value> {
    settings_edit::get(Format::Json, text, key)?.ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("the manifest has no key `{}`", key.escape_debug()))
            .hint("`pointer:` is the dotted key that names the active entry; leave it out if there is none")
    })
}

/// Stages setting the key; nothing where it says so already.
pub fn stage(manifest: PathBuf, key: &str, id: &str, staging: &Staging<'_>) -> Result<Option<PointerSwitch>> {
    let before = value(&manifest::text(&manifest)?, key)?;
    let after = Value::from(id);
    if before == after {
        return Ok(None);
    }
    prepare(manifest, key, (before, after), staging).map(Some)
}

fn prepare(
    manifest: PathBuf,
    key: &str,
    values: (Value, Value),
    staging: &Staging<'_>,
) -> Result<PointerSwitch> {
    let text = manifest::text(&manifest)?;
    let edited = settings_edit::set(Format::Json, &text, &[(key, values.1.clone())])?;
    let image = staging.images.join("manifest.json");
    file::write_atomic(&image, text.as_bytes(), 0o600)?;
    let switched = Digest::of(edited.as_bytes());
    Ok(PointerSwitch { manifest, key: key.to_owned(), before: values.0, after: values.1, switched, image })
}

impl PointerSwitch {
    /// Which of the two it says.
    pub fn observe(&self) -> Result<Observation> {
        let found = value(&manifest::text(&self.manifest)?, &self.key)?;
        Ok(if found == self.after {
            Observation::After
        } else if found == self.before {
            Observation::Before(None)
        } else {
            Observation::Other {
                before: self.before.to_string(),
                after: self.after.to_string(),
                found: found.to_string(),
            }
        })
    }

    /// Sets it.
    pub fn act(&self) -> Result<Option<String>> {
        self.set(&self.before, &self.after)
    }

    /// Sets it back.
    pub fn undo(&self) -> Result<Option<String>> {
        self.set(&self.after, &self.before)
    }

    fn set(&self, from: &Value, to: &Value) -> Result<Option<String>> {
        let text = manifest::text(&self.manifest)?;
        let found = value(&text, &self.key)?;
        if found == *to {
            return Ok(Some("it was so already".to_owned()));
        }
        if found != *from {
            let why = format!("`{}` of {} is {found}, not {from}", self.key, self.manifest.display());
            return Err(
                Error::new(ErrorCode::Drifted, why).hint("find out who writes there, then make a new plan")
            );
        }
        let back = *to == self.before && Digest::of(text.as_bytes()) == self.switched;
        let edited = if back && self.image.exists() {
            manifest::text(&self.image)?
        } else {
            settings_edit::set(Format::Json, &text, &[(self.key.as_str(), to.clone())])?
        };
        self.replace(&text, &edited)?;
        Ok(Some(format!("{from} → {to}")))
    }

    /// Puts the new text in place of the old one, unless somebody wrote in between.
    fn replace(&self, old: &str, new: &str) -> Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::PermissionsExt as _;
        let failed =
            |error: std::io::Error| Error::io(format!("cannot write {}", self.manifest.display()), error);
        let folder = file::parent(&self.manifest);
        let mut part =
            tempfile::Builder::new().prefix(".irctl-").suffix(".part").tempfile_in(folder).map_err(failed)?;
        part.write_all(new.as_bytes()).map_err(failed)?;
        let mode = fs_err::metadata(&self.manifest)?.permissions().mode() & 0o7777;
        part.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        file::sync_file(part.as_file())?;
        fault::point("registry:before-manifest");
        match renameat_with(CWD, part.path(), CWD, &self.manifest, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                part.persist(&self.manifest).map_err(|error| failed(error.error))?;
                return file::sync_directory(folder);
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        fault::point("registry:after-manifest");
        file::sync_directory(folder)?;
        let displaced = manifest::text(part.path())?;
        if displaced == old {
            return Ok(());
        }
        renameat_with(CWD, part.path(), CWD, &self.manifest, RenameFlags::EXCHANGE)
            .map_err(|errno| failed(errno.into()))?;
        file::sync_directory(folder)?;
        Err(Error::new(ErrorCode::Drifted, format!("somebody wrote {} meanwhile", self.manifest.display()))
            .hint("it was left as they wrote it; make a new plan"))
    }

    /// What changes.
    pub fn changes(&self) -> Vec<Change> {
        vec![Change {
            place: format!("manifest {}", self.key).into(),
            from: Some(self.before.to_string().into()),
            to: Some(self.after.to_string().into()),
            fidelity: Fidelity::Proven,
        }]
    }

    /// The switch back, with an image of its own.
    pub fn reverse(&self, staging: &Staging<'_>) -> Result<SwitchSpec> {
        if self.observe()? != Observation::After {
            let why = format!("`{}` of {} is not {}", self.key, self.manifest.display(), self.after);
            return Err(Error::new(ErrorCode::Drifted, why).hint("somebody changed it since"));
        }
        let values = (self.after.clone(), self.before.clone());
        let reverse = prepare(self.manifest.clone(), &self.key, values, staging)?;
        Ok(SwitchSpec::Registry(RegistrySwitch::Pointer(reverse)))
    }
}
