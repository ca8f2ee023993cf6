//! One argument as the program and the arguments that it names. Quotes mean what they mean to a shell; nothing else
//! does, because no shell looks at it.

use crate::base::{Error, ErrorCode, Result};

/// Splits at spaces, except within quotes; a backslash takes the next character as it is.
///
/// # Errors
/// `usage` for an open quote, nothing at all, and what only a shell could do: pipes, redirections, variables.
pub fn split(text: &str) -> Result<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => quoted(&mut rest, word.get_or_insert_default(), text, false)?,
            '"' => quoted(&mut rest, word.get_or_insert_default(), text, true)?,
            '\\' => {
                let next = rest.next().ok_or_else(|| wrong(text, "it ends with a backslash"))?;
                word.get_or_insert_default().push(next);
            }
            '|' | '&' | ';' | '<' | '>' | '`' | '$' => {
                return Err(wrong(text, &format!("`{letter}` is for a shell, and no shell looks at it"))
                    .hint("quote it to hand it on as it is, or name the shell: \"sh -c '…'\""));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(wrong(text, "it names no program")),
    }
}

/// Up to the closing quote. Within double quotes a backslash takes a quote or a backslash as it is.
fn quoted(rest: &mut std::str::Chars<'_>, word: &mut String, text: &str, double: bool) -> Result<()> {
    let end = if double { '"' } else { '\'' };
    while let Some(letter) = rest.next() {
        match letter {
            letter if letter == end => return Ok(()),
            '\\' if double => match rest.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                Some(next) => word.extend(['\\', next]),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err(wrong(text, "a quote is not closed"))
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(ErrorCode::Usage, format!("`{}`: {why}", text.escape_debug()))
        .hint("as in --bisect \"python3 -m pytest tests/test_model.py -q\"")
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_a_shell_would() {
        let words = |text| split(text).unwrap();
        assert_eq!(words("  pytest  -q tests/a.py "), ["pytest", "-q", "tests/a.py"]);
        assert_eq!(
            words(r#"sh -c 'test "$(cat x)" = 1' a\ b"#),
            ["sh", "-c", r#"test "$(cat x)" = 1"#, "a b"]
        );
        assert_eq!(words(r#"grep "a \"b\" \n" '' x""y"#), ["grep", r#"a "b" \n"#, "", "xy"]);
    }

    #[test]
    fn what_only_a_shell_could_do_is_refused() {
        for text in ["", "  ", "''", "a | b", "a > b", "echo $HOME", "a && b", "'open", "\"open", "a \\"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
