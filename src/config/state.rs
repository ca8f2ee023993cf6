//! Where state is kept.

use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::base::{Error, ErrorCode, Result, environment};

/// The directory for machines where cron and people share one state.
const SHARED: &str = "/var/lib/irctl";

/// The state directory of a workspace. Nothing is created.
pub fn directory(root: &Path, settings: &Settings) -> Result<PathBuf> {
    resolve(root, settings, Path::new(SHARED), environment::variable)
}

fn resolve(
    root: &Path,
    settings: &Settings,
    shared: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<PathBuf> {
    if let Some(state) = &settings.state {
        return Ok(root.join(state));
    }
    // Before the variables: cron and people have different ones, and must not end up with two states.
    let shared = shared.join(&settings.workspace);
    if shared.is_dir() {
        return Ok(shared);
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("irctl").join(&settings.workspace)).ok_or_else(|| {
        Error::new(
            ErrorCode::StateDirectory,
            "there is no place for state: neither XDG_STATE_HOME nor HOME is set",
        )
        .hint("set `state:` in config/irctl.yaml, or make /var/lib/irctl/WORKSPACE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(state: Option<&str>) -> Settings {
        Settings {
            workspace: "w".into(),
            state: state.map(PathBuf::from),
            cadence: None,
            check: Default::default(),
            audit: None,
            maintenance: Vec::new(),
            load: Default::default(),
        }
    }

    #[test]
    fn the_first_that_applies() {
        let shared = tempfile::tempdir().unwrap();
        let root = Path::new("/srv");
        let home = |name: &str| (name == "HOME").then(|| "/home/u".to_owned());
        let find = |state, variable: fn(&str) -> Option<String>| {
            resolve(root, &settings(state), shared.path(), variable)
        };
        assert_eq!(find(Some("../s"), home).unwrap(), Path::new("/srv/../s"));
        assert_eq!(find(None, home).unwrap(), Path::new("/home/u/.local/state/irctl/w"));
        let xdg: fn(&str) -> Option<String> = |name| Some(format!("/{name}"));
        assert_eq!(find(None, xdg).unwrap(), Path::new("/XDG_STATE_HOME/irctl/w"));
        assert!(find(None, |_| None).is_err());
        assert!(find(None, |_| Some("relative".into())).is_err());
        fs_err::create_dir(shared.path().join("w")).unwrap();
        assert_eq!(find(None, xdg).unwrap(), shared.path().join("w"));
    }
}
