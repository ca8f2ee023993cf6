//! A file that gets one line of JSON for each message: appended under a lock and forced to disk, in order.

use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::webhook::{Field, fields};
use super::{ChannelKind, Outcome, Parcel, Preview, Surroundings, json_line};
use crate::base::clock::format_instant;
use crate::base::{Error, ErrorCode, Result, file, path};
use crate::notify::config::FileConfig;
use crate::notify::message::Draft;

/// How far back a message that may have arrived is looked for.
const LOOK_BACK: u64 = 4 * 1024 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    at: String,
    queued_at: String,
    sent_at: String,
    template: &'a str,
    service: &'a str,
    incident: Option<&'a str>,
    level: Option<&'a str>,
    audience: &'a [String],
    subject: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    facts: &'a Value,
}

/// The message as a line, without its line break.
pub fn payload(draft: &Draft<'_>) -> String {
    let notice = draft.notice;
    json_line(&Line {
        id: draft.id,
        at: format_instant(notice.at),
        queued_at: format_instant(draft.queued_at),
        sent_at: format_instant(draft.sent_at),
        template: &notice.template,
        service: &notice.service,
        incident: notice.incident.as_deref(),
        level: notice.level.as_deref(),
        audience: &notice.audience,
        subject: &draft.rendered.subject,
        text: &draft.rendered.body,
        fields: fields(draft),
        facts: &notice.context,
    })
}

/// Appends it.
pub fn send(config: &FileConfig, parcel: &Parcel<'_>, around: &Surroundings<'_>) -> Outcome {
    match append(&config.path, parcel, around.root) {
        Ok(receipt) => Outcome::Delivered { receipt },
        Err(error) if error.code == ErrorCode::OutsideRoot => Outcome::Failed { error: error.message },
        // The line carries an identifier, so even a half-written one can be written again.
        Err(error) => Outcome::Retry { after: None, error: error.message },
    }
}

fn append(relative: &Path, parcel: &Parcel<'_>, root: &Path) -> Result<String> {
    let target = path::inside(root, relative)?;
    let failed = |what: &str| {
        let what = format!("{what} {}", relative.display());
        move |error: std::io::Error| Error::io(what, error)
    };
    let folder = file::parent(&target);
    fs_err::create_dir_all(folder).map_err(failed("cannot make the folder of"))?;
    let made = !target.exists();
    let mut file =
        File::options().create(true).read(true).append(true).open(&target).map_err(failed("cannot open"))?;
    file.lock().map_err(failed("cannot lock"))?;
    if parcel.possibly_arrived && holds(&mut file, parcel.id).map_err(failed("cannot read"))? {
        return Ok("was there already".to_owned());
    }
    let length = file.metadata().map_err(failed("cannot read"))?.len();
    let mut line = String::new();
    // A line that a crash cut off must not swallow this one.
    if length > 0 && last_byte(&mut file).map_err(failed("cannot read"))? != Some(b'\n') {
        line.push('\n');
    }
    line.push_str(&parcel.message.payload);
    line.push('\n');
    file.write_all(line.as_bytes()).map_err(failed("cannot write"))?;
    file::sync_file(&file)?;
    if made {
        file::sync_directory(folder)?;
    }
    Ok(format!("byte {length}"))
}

fn last_byte(file: &mut File) -> std::io::Result<Option<u8>> {
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    let read = file.read(&mut byte)?;
    Ok(byte.first().copied().filter(|_| read == 1))
}

/// Whether a whole line of the file's end carries this identifier.
fn holds(file: &mut File, id: &str) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOK_BACK)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let carries = |line: &str| {
        line.contains(id)
            && serde_json::from_str::<Value>(line)
                .is_ok_and(|line| line.get("id").and_then(Value::as_str) == Some(id))
    };
    Ok(text.lines().any(carries))
}

/// What it looks like when it leaves.
pub fn preview(config: &FileConfig, parcel: &Parcel<'_>) -> Preview {
    Preview {
        kind: ChannelKind::File,
        destination: format!("append to {}", config.path.display()),
        headers: Vec::new(),
        body: format!("{}\n", parcel.message.payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::message::Message;

    fn write(root: &Path, id: &str, possibly_arrived: bool) -> Result<String> {
        let message =
            Message { subject: "s".into(), body: "b".into(), payload: format!("{{\"id\":\"{id}\"}}") };
        append(Path::new("out/notices.jsonl"), &Parcel { id, message: &message, possibly_arrived }, root)
    }

    #[test]
    fn a_line_that_may_have_arrived_is_written_once() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", false).unwrap();
        assert_eq!(write(root.path(), "a", true).unwrap(), "was there already");
        write(root.path(), "b", true).unwrap();
        let text = fs_err::read_to_string(root.path().join("out/notices.jsonl")).unwrap();
        assert_eq!(text, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    }

    #[test]
    fn a_torn_line_stays_alone_and_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", false).unwrap();
        let path = root.path().join("out/notices.jsonl");
        let torn = fs_err::read_to_string(&path).unwrap() + "{\"id\":\"b\"";
        fs_err::write(&path, torn).unwrap();
        write(root.path(), "b", true).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), ["{\"id\":\"a\"}", "{\"id\":\"b\"", "{\"id\":\"b\"}"]);
    }

    #[test]
    fn threads_do_not_mix_their_lines() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let root = root.path();
                scope.spawn(move || {
                    for line in 0..20 {
                        write(root, &format!("{writer}-{line}"), false).unwrap();
                    }
                });
            }
        });
        let text = fs_err::read_to_string(root.path().join("out/notices.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 160);
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }
}
