//! Which cluster, and as whom: as kubectl finds it out.
//!
//! The files that KUBECONFIG lists are merged, the first to say something wins, and files that are not there are left
//! out; without the variable it is `~/.kube/config`; without that, the service account of the pod.

use kube::Config;
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::base::untrusted::{Sink, escape};
use crate::base::{Duration, Error, ErrorCode, Result, environment};

/// Which cluster is meant; what is not said is found as kubectl finds it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The namespace; that of the context otherwise.
    pub namespace: Option<&'a str>,
    /// The context of the kubeconfig; its current one otherwise.
    pub context: Option<&'a str>,
    /// The kubeconfig, absolute or relative to the workspace.
    pub kubeconfig: Option<&'a Path>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A cluster as an operation pins it: where the access is described, not the access itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The kubeconfig files, in the order in which they are merged; none inside of a pod.
    pub files: Vec<PathBuf>,
    /// The context; absent inside of a pod.
    pub context: Option<String>,
    /// The address of the API: a kubeconfig that names another one by now is refused.
    pub server: String,
    /// The namespace.
    pub namespace: String,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Access {
    /// Finds a cluster.
    ///
    /// # Errors
    /// `invalid-configuration`: a kubeconfig cannot be read, or has no such context.
    pub fn find(place: &Place<'_>, root: &Path) -> Result<(Self, Config)> {
        let files = files(place, root)?;
        let merged = merge(&files)?;
        let current = merged.current_context.clone().filter(|name| !name.is_empty());
        let context = place.context.map(str::to_owned).or(current);
        let (files, connection) = match &context {
            Some(name) => (files, load(merged, name)?),
            None if place.kubeconfig.is_none() && in_pod() => (Vec::new(), pod()?),
            None => return Err(nowhere(&files)),
        };
        let access = Self {
            files,
            context,
            server: connection.cluster_url.to_string(),
            namespace: place.namespace.map_or_else(|| connection.default_namespace.clone(), str::to_owned),
            timeout: place.timeout,
        };
        Ok((access, connection))
    }

    /// Finds a pinned cluster again.
    ///
    /// # Errors
    /// `refused`: what is described there by now is another cluster.
    pub fn again(&self) -> Result<Config> {
        let connection = match &self.context {
            Some(name) => load(merge(&self.files)?, name)?,
            None => pod()?,
        };
        let server = connection.cluster_url.to_string();
        if server != self.server {
            let text = format!(
                "the kubeconfig leads to {}, and the plan was made for {}",
                escape(&server, Sink::Terminal),
                escape(&self.server, Sink::Terminal)
            );
            return Err(Error::new(ErrorCode::Refused, text)
                .hint("put the kubeconfig back that was there when the plan was made, then resume"));
        }
        Ok(connection)
    }
}

fn files(place: &Place<'_>, root: &Path) -> Result<Vec<PathBuf>> {
    if let Some(path) = place.kubeconfig {
        let path = root.join(path);
        return match path.is_file() {
            true => Ok(vec![path]),
            false => Err(unreadable(&path, "there is no such file")),
        };
    }
    let listed = environment::variable("KUBECONFIG").map(|list| {
        list.split(':').filter(|name| !name.is_empty()).map(|name| absolute(Path::new(name), root)).collect()
    });
    let usual = || environment::variable("HOME").map(|home| Path::new(&home).join(".kube/config"));
    let files: Vec<PathBuf> = listed.unwrap_or_else(|| usual().into_iter().collect());
    Ok(files.into_iter().filter(|path| path.exists()).collect())
}

/// KUBECONFIG may list relative paths. They are meant from where the shell stands, and pinned as absolute ones.
fn absolute(path: &Path, root: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| root.join(path))
}

fn merge(files: &[PathBuf]) -> Result<Kubeconfig> {
    let mut merged = Kubeconfig::default();
    for path in files {
        let next = Kubeconfig::read_from(path).map_err(|error| unreadable(path, &error.to_string()))?;
        // kubectl takes an empty name of a context as none.
        merged.current_context = merged.current_context.filter(|name| !name.is_empty());
        merged = merged.merge(next).map_err(|error| unreadable(path, &error.to_string()))?;
    }
    for named in &mut merged.auth_infos {
        let exec = named.auth_info.as_mut().and_then(|user| user.exec.as_mut());
        if let Some(exec) = exec {
            if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
                continue;
            }
            // A plugin that asks questions would wait for an answer that nobody gives at night.
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Ok(merged)
}

fn load(merged: Kubeconfig, context: &str) -> Result<Config> {
    let named = merged.contexts.iter().find(|named| named.name == context);
    let user = named.and_then(|named| named.context.as_ref()?.user.clone());
    let asks = merged.auth_infos.iter().any(|named| {
        Some(&named.name) == user.as_ref()
            && named
                .auth_info
                .as_ref()
                .and_then(|user| user.exec.as_ref())
                .is_some_and(|exec| exec.interactive_mode == Some(ExecInteractiveMode::Always))
    });
    if asks {
        let text = "the credentials of the kubeconfig come from a program that insists on a terminal";
        return Err(Error::new(ErrorCode::InvalidConfiguration, text)
            .hint("set `interactiveMode: IfAvailable` for it, or use a service account's token"));
    }
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    // The function is asynchronous in name only: it awaits nothing.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(Config::from_custom_kubeconfig(merged, &options)).map_err(|error| {
        let text = format!("context `{}`: {error}", context.escape_debug());
        Error::new(ErrorCode::InvalidConfiguration, escape(&text, Sink::Terminal))
            .hint("`kubectl config get-contexts` lists what there is")
    })
}

fn in_pod() -> bool {
    environment::variable("KUBERNETES_SERVICE_HOST").is_some()
}

fn pod() -> Result<Config> {
    Config::incluster().map_err(|error| {
        Error::new(ErrorCode::InvalidConfiguration, format!("no access from inside of a pod: {error}"))
            .hint("mount a service account's token, or name a `kubeconfig:`")
    })
}

fn unreadable(path: &Path, why: &str) -> Error {
    let text = format!("the kubeconfig {} cannot be used: {why}", path.display());
    Error::new(ErrorCode::InvalidConfiguration, escape(&text, Sink::Terminal))
        .hint("`kubectl config view` shows how kubectl reads it")
}

fn nowhere(files: &[PathBuf]) -> Error {
    let text = match files {
        [] => "there is no kubeconfig, and this is no pod".to_owned(),
        files => {
            let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            format!("{} names no current context", names.join(", "))
        }
    };
    Error::new(ErrorCode::InvalidConfiguration, text)
        .hint("set KUBECONFIG, or write `kubeconfig:` and `context:` into the target")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "apiVersion: v1\nkind: Config\ncurrent-context: ''\nclusters:\n\
        - {name: c, cluster: {server: 'http://127.0.0.1:1'}}\nusers:\n- {name: u, user: {token: first}}\n";
    const SECOND: &str = "apiVersion: v1\nkind: Config\ncurrent-context: two\nclusters:\n\
        - {name: c, cluster: {server: 'http://127.0.0.1:2'}}\nusers:\n- {name: u, user: {token: second}}\ncontexts:\n\
        - {name: two, context: {cluster: c, user: u, namespace: production}}\n";

    fn place<'a>(file: &'a str, context: Option<&'a str>) -> Place<'a> {
        let kubeconfig = Some(Path::new(file));
        Place { namespace: None, context, kubeconfig, timeout: Duration::seconds(10) }
    }

    fn written(names: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let paths = names.iter().map(|(name, text)| {
            let path = folder.path().join(name);
            fs_err::write(&path, text).unwrap();
            path
        });
        let paths = paths.collect();
        (folder, paths)
    }

    #[test]
    fn the_first_file_to_say_something_wins() {
        let (_folder, paths) = written(&[("a", FIRST), ("b", SECOND)]);
        let merged = merge(&paths).unwrap();
        assert_eq!(merged.current_context.as_deref(), Some("two"), "an empty name is none");
        let config = load(merged, "two").unwrap();
        assert_eq!(config.cluster_url.to_string(), "http://127.0.0.1:1/");
        assert_eq!(config.default_namespace, "production");
    }

    #[test]
    fn a_kubeconfig_that_leads_elsewhere_by_now_is_refused() {
        let (folder, paths) = written(&[("b", SECOND)]);
        let (access, _) = Access::find(&place("b", None), folder.path()).unwrap();
        assert_eq!((access.namespace.as_str(), access.context.as_deref()), ("production", Some("two")));
        access.again().unwrap();
        fs_err::write(paths.first().unwrap(), SECOND.replace("127.0.0.1:2", "127.0.0.1:3")).unwrap();
        assert_eq!(access.again().unwrap_err().code, ErrorCode::Refused);
    }

    #[test]
    fn what_is_wrong_with_a_kubeconfig_is_said() {
        let (folder, _) = written(&[("b", SECOND), ("broken", "contexts: {{{")]);
        for (file, context, word) in
            [("nowhere", None, "no such file"), ("broken", None, "broken"), ("b", Some("three"), "three")]
        {
            let error = Access::find(&place(file, context), folder.path()).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfiguration);
            assert!(error.message.contains(word), "{}", error.message);
        }
    }
}
