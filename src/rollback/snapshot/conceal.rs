//! Secrets stay out of snapshots: the values of keys that are named like one are replaced, references stay.
//!
//! It works on the text line by line, so that what is kept is the file as it is but for those values, whatever its
//! format: YAML, JSON, TOML or .env.

/// What stands in a secret's place.
const LEFT_OUT: &str = "[left out]";

/// Last words of a key that holds a secret.
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "secretkey",
];

/// Last two words of a key that holds a secret.
const PAIRS: [(&str, &str); 5] =
    [("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key"), ("signing", "key")];

/// The text without the values of secrets, and the keys that these belong to.
pub fn secrets(text: &str) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut left_out = Vec::new();
    let mut skipping = Skipping::Nothing;
    for line in text.split_inclusive('\n') {
        if skipping.skips(line) {
            continue;
        }
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") && !line.contains("-----END") {
            left_out.push("a private key".to_owned());
            let before = line.split("-----BEGIN").next().unwrap_or_default();
            out.push_str(&format!("{before}{LEFT_OUT}\n"));
            skipping = Skipping::Key;
            continue;
        }
        skipping = one_line(line, &mut out, &mut left_out);
    }
    left_out.sort();
    left_out.dedup();
    (out, left_out)
}

/// What of the lines to come belongs to a secret.
enum Skipping {
    Nothing,
    /// Up to the end of a private key.
    Key,
    /// Every line that is indented deeper than this.
    Block(usize),
}

impl Skipping {
    fn skips(&mut self, line: &str) -> bool {
        match self {
            Skipping::Nothing => false,
            Skipping::Key => {
                if line.contains("-----END") {
                    *self = Skipping::Nothing;
                }
                true
            }
            Skipping::Block(depth) => {
                let skips = line.trim().is_empty() || indentation(line) > *depth;
                if !skips {
                    *self = Skipping::Nothing;
                }
                skips
            }
        }
    }
}

fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Copies a line without the secrets in it.
fn one_line(line: &str, out: &mut String, left_out: &mut Vec<String>) -> Skipping {
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (key, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(key);
        rest = after;
        if !is_secret(key) {
            rest = userinfo(rest, out, left_out);
            continue;
        }
        let Some((separator, value)) = value_of(after) else { continue };
        out.push_str(separator);
        if matches!(value.trim(), "|" | "|-" | "|+" | ">" | ">-" | ">+") {
            left_out.push(key.to_owned());
            out.push_str(&format!("\"{LEFT_OUT}\"\n"));
            return Skipping::Block(indentation(line));
        }
        let length = length_of(value);
        let (value, tail) = value.split_at(length);
        if is_harmless(value) {
            out.push_str(value);
        } else {
            left_out.push(key.to_owned());
            let quote = if value.starts_with('\'') { '\'' } else { '"' };
            out.push_str(&format!("{quote}{LEFT_OUT}{quote}"));
        }
        rest = tail;
    }
    out.push_str(rest);
    Skipping::Nothing
}

/// `://user:password@` keeps its user.
fn userinfo<'a>(rest: &'a str, out: &mut String, left_out: &mut Vec<String>) -> &'a str {
    let Some(authority) = rest.strip_prefix("://") else { return rest };
    let end = authority
        .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
        .unwrap_or(authority.len());
    let (authority, _) = authority.split_at(end);
    let Some((user, password)) = authority.rsplit_once('@').and_then(|(info, _)| info.split_once(':')) else {
        return rest;
    };
    let length = "://".len() + user.len() + 1 + password.len();
    out.push_str(&format!("://{user}:{LEFT_OUT}"));
    left_out.push(format!("the password of {user}"));
    rest.get(length..).unwrap_or_default()
}

/// Whether a key is named like a secret: `db.password`, `apiToken`, `AWS_SECRET_ACCESS_KEY`.
fn is_secret(key: &str) -> bool {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower_before = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        [.., one, last] if PAIRS.contains(&(one, last)) => true,
        [.., last] => WORDS.contains(last),
        [] => false,
    }
}

/// The separator behind a key, with a closing quote before it and spaces around it, and what follows: `": "`.
fn value_of(after: &str) -> Option<(&str, &str)> {
    let unquoted = after.strip_prefix(['"', '\'']).unwrap_or(after);
    let trimmed = unquoted.trim_start_matches([' ', '\t']);
    let value = match trimmed.strip_prefix([':', '=']) {
        Some(value) => value.trim_start_matches([' ', '\t']),
        // How an observation shows a value: `db.password "x"`.
        None if trimmed.len() < unquoted.len() && trimmed.starts_with('"') => trimmed,
        None => return None,
    };
    after.split_at_checked(after.len() - value.len())
}

/// How long the value is that a text begins with.
fn length_of(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let end = text.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == quote && !escaped;
                escaped = *c == '\\' && !escaped && quote == '"';
                closes
            });
            end.map_or(text.trim_end().len(), |(at, _)| at + 1)
        }
        Some('[' | '{') => text.find([']', '}']).map_or(text.trim_end().len(), |at| at + 1),
        _ => {
            let end = text.find(['\n', '\r', ',', '}']).unwrap_or(text.len());
            let value = text.get(..end).unwrap_or_default();
            value.split(" #").next().unwrap_or_default().trim_end().len()
        }
    }
}

/// Nothing, or a reference to where the secret is.
fn is_harmless(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'']).trim();
    let reference = ["env:", "file:", "cmd:", "${", "{values.", "!"];
    matches!(bare, "" | "null" | "~" | "true" | "false" | "{" | "[" | "{}" | "[]")
        || reference.iter().any(|start| bare.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_left_out_and_references_stay() {
        for (text, expected) in [
            ("db:\n  password: hunter2   # old\n", "db:\n  password: \"[left out]\"   # old\n"),
            ("{\"apiToken\": \"hun\\\"ter2\", \"rows\": 3}", "{\"apiToken\": \"[left out]\", \"rows\": 3}"),
            (
                "AWS_SECRET_ACCESS_KEY=hunter2\nTOKEN_COUNT=5\n",
                "AWS_SECRET_ACCESS_KEY=\"[left out]\"\nTOKEN_COUNT=5\n",
            ),
            ("secret = 'hunter2'\n", "secret = '[left out]'\n"),
            ("{user: a, password: hunter2}", "{user: a, password: \"[left out]\"}"),
            ("password: env:DATABASE_PASSWORD\n", "password: env:DATABASE_PASSWORD\n"),
            ("password: ${PASSWORD}\n", "password: ${PASSWORD}\n"),
            ("password:\nnext: 1\n", "password:\nnext: 1\n"),
            ("max_tokens: 5\nmode: disabled\n", "max_tokens: 5\nmode: disabled\n"),
            (
                "url: postgres://pricing:hunter2@db.example.org/x\n",
                "url: postgres://pricing:[left out]@db.example.org/x\n",
            ),
            ("url: https://example.org:8080/a\n", "url: https://example.org:8080/a\n"),
            ("private_key: |\n  hunter2\n  hunter2\nnext: 1\n", "private_key: \"[left out]\"\nnext: 1\n"),
            (
                "k: -----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nb: 1\n",
                "k: [left out]\nb: 1\n",
            ),
            ("db.password \"hunter2\", rows 3", "db.password \"[left out]\", rows 3"),
        ] {
            let (out, left_out) = secrets(text);
            assert_eq!(out, expected);
            assert_eq!(left_out.is_empty(), text == expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_secrets_stays_byte_for_byte() {
        let text = "# a comment: with \"quotes\"\r\nrollout:\n  mode: disabled\n  ünïcode: [1, 2]\n\n";
        assert_eq!(secrets(text), (text.to_owned(), Vec::new()));
    }
}
