//! The shared files of AWS: `~/.aws/credentials` and `~/.aws/config`, as far as irctl reads them. What it does not do with
//! them (single sign-on, other programs, roles by way of other profiles) is an error that says so, and never silence.
//!
//! Format: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::file::read_limited;
use crate::base::{Error, ErrorCode, Result, Secret, environment};

/// The largest of these files that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// What a profile may say that irctl does not do, and what it is.
const NOT_DONE: [(&str, &str); 5] = [
    ("sso_session", "single sign-on"),
    ("sso_start_url", "single sign-on"),
    ("credential_process", "credentials from a program"),
    ("source_profile", "a role by way of another profile"),
    ("credential_source", "a role by way of another source"),
];

/// What a profile says.
#[derive(Debug, Default)]
pub struct Profile {
    /// Key and secret.
    pub keys: Option<(Secret, Secret)>,
    /// The token of a session.
    pub session_token: Option<Secret>,
    /// The file of a web identity's token, and the role that it takes.
    pub web_identity: Option<(String, String)>,
    /// The region.
    pub region: Option<String>,
    /// The server.
    pub endpoint: Option<String>,
    /// A file with the certificates that are trusted.
    pub authorities: Option<String>,
}

type Section = BTreeMap<String, String>;

/// Reads the profile that AWS_PROFILE names, else `default`. Without the files there is none; `None` is also what a
/// `default` is that stands nowhere.
///
/// # Errors
/// A named profile that stands nowhere, a file that cannot be read, and what irctl does not do.
pub fn read() -> Result<Option<Profile>> {
    let named = environment::variable("AWS_PROFILE");
    let name = named.clone().unwrap_or_else(|| "default".to_owned());
    let places = [place("AWS_CONFIG_FILE", "config"), place("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let mut found: Option<Section> = None;
    for (is_config, place) in [true, false].into_iter().zip(&places) {
        let Some(place) = place.as_ref().filter(|place| place.exists()) else { continue };
        let text = read_limited(place, LIMIT)?;
        let section = section(&String::from_utf8_lossy(&text), &name, is_config);
        // The keys of the credentials count where both have them.
        found = match (found, section) {
            (Some(mut all), Some(section)) => {
                all.extend(section);
                Some(all)
            }
            (all, section) => all.or(section),
        };
    }
    match (found, named) {
        (Some(section), _) => profile(&name, section).map(Some),
        (None, None) => Ok(None),
        (None, Some(name)) => {
            let shown: Vec<String> =
                places.iter().flatten().map(|place| place.display().to_string()).collect();
            let what = format!(
                "AWS_PROFILE names `{}`, which stands in neither of {}",
                name.escape_debug(),
                shown.join(", ")
            );
            Err(Error::new(ErrorCode::InvalidConfiguration, what)
                .hint("see its spelling (`aws configure list-profiles`), or name the files by AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"))
        }
    }
}

fn place(variable: &str, name: &str) -> Option<PathBuf> {
    let written = environment::variable(variable).map(PathBuf::from);
    written.or_else(|| Some(PathBuf::from(environment::variable("HOME")?).join(".aws").join(name)))
}

/// A section of a file. In the config all but `default` are called `profile NAME`.
fn section(text: &str, name: &str, is_config: bool) -> Option<Section> {
    let mut found: Option<Section> = None;
    let mut inside = false;
    for line in text.lines() {
        // What is indented belongs to the line before it: settings of one service alone.
        let comment = line.trim_start().starts_with(['#', ';']);
        if comment || line.trim().is_empty() || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(header) = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let words: Vec<&str> = header.split_whitespace().collect();
            inside = match words.as_slice() {
                [own] => *own == name && (!is_config || name == "default"),
                ["profile", own] => is_config && *own == name,
                _ => false,
            };
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
            found.get_or_insert_default().insert(key.trim().to_ascii_lowercase(), value.to_owned());
        }
    }
    found
}

fn profile(name: &str, mut section: Section) -> Result<Profile> {
    let mut take = |key: &str| section.remove(key).filter(|value| !value.is_empty());
    let (key, secret) = (take("aws_access_key_id"), take("aws_secret_access_key"));
    let profile = Profile {
        session_token: take("aws_session_token").map(Secret::new),
        web_identity: take("web_identity_token_file").zip(take("role_arn")),
        region: take("region"),
        endpoint: take("endpoint_url"),
        authorities: take("ca_bundle"),
        keys: match (key, secret) {
            (Some(key), Some(secret)) => Some((Secret::new(key), Secret::new(secret))),
            (None, None) => None,
            (key, _) => {
                let lacks = if key.is_some() { "aws_secret_access_key" } else { "aws_access_key_id" };
                let what = format!("the profile `{}` has no {lacks}", name.escape_debug());
                return Err(Error::new(ErrorCode::InvalidConfiguration, what)
                    .hint("a key and its secret belong together"));
            }
        },
    };
    if profile.keys.is_some() || profile.web_identity.is_some() {
        return Ok(profile);
    }
    match NOT_DONE.iter().find(|(key, _)| section.contains_key(*key)) {
        None => Ok(profile),
        Some((key, what)) => {
            let text = format!(
                "the profile `{}` asks for {what} (`{key}`), which irctl does not do",
                name.escape_debug()
            );
            Err(Error::new(ErrorCode::InvalidConfiguration, text).hint(
                "let the AWS CLI do it: `aws configure export-credentials --format env` gives the variables, for as long as they last",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# ours\n[default]\nregion = eu-west-1\n\n[profile desk]\nregion=eu-central-1 # near\n\
        s3 =\n  addressing_style = path\n[sso-session desk]\nregion = us-west-2\n[desk]\nregion = nowhere\n";
    const CREDENTIALS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key = B=C/d+\n[desk]\n\
        AWS_ACCESS_KEY_ID=D\naws_secret_access_key=E\naws_session_token=F\n";

    #[test]
    fn sections_are_called_otherwise_in_each_file() {
        let of = |text, name, is_config| section(text, name, is_config);
        assert_eq!(of(CONFIG, "desk", true).unwrap()["region"], "eu-central-1");
        assert_eq!(of(CONFIG, "default", true).unwrap()["region"], "eu-west-1");
        assert_eq!(of(CREDENTIALS, "default", false).unwrap()["aws_secret_access_key"], "B=C/d+");
        assert_eq!(of(CREDENTIALS, "desk", false).unwrap()["aws_access_key_id"], "D");
        assert!(of(CREDENTIALS, "desk", true).is_none() && of(CREDENTIALS, "other", false).is_none());
        assert!(!of(CONFIG, "desk", true).unwrap().contains_key("addressing_style"));
    }

    #[test]
    fn what_is_not_done_is_named() {
        let read = |text: &str| profile("desk", section(text, "desk", true).unwrap());
        for (line, words) in [
            ("sso_session = x", "single sign-on"),
            ("credential_process = /bin/true", "a program"),
            ("role_arn = arn:aws:iam::1:role/r\nsource_profile = default", "another profile"),
            ("aws_access_key_id = A", "no aws_secret_access_key"),
            ("aws_secret_access_key = A", "no aws_access_key_id"),
        ] {
            let error = read(&format!("[profile desk]\n{line}\n")).unwrap_err();
            assert!(error.message.contains(words), "{}", error.message);
        }
        let web = read("[profile desk]\nrole_arn = r\nweb_identity_token_file = /t\n").unwrap();
        assert_eq!(web.web_identity, Some(("/t".to_owned(), "r".to_owned())));
        assert!(read("[profile desk]\nregion = eu-west-1\n").unwrap().keys.is_none());
    }
}
