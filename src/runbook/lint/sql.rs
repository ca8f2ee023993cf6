//! Statements that take more than anybody meant.

/// What is wrong with a statement, and where it begins in the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// A table, or all of its rows, is gone.
    Gone(usize, String),
    /// Every row is changed or deleted.
    EveryRow(usize, String),
}

/// The harmful statements of a text, which may hold several.
pub(super) fn harms(text: &str) -> Vec<Harm> {
    statements(text).into_iter().filter_map(|(start, words)| harm(start, &words)).collect()
}

fn harm(start: usize, words: &[String]) -> Option<Harm> {
    let first = words.first()?.as_str();
    // `WITH x AS (…) DELETE …` and `EXPLAIN ANALYZE DELETE …` do it as well.
    let verb = match first {
        "WITH" | "EXPLAIN" => {
            words.iter().find(|word| matches!(word.as_str(), "DELETE" | "UPDATE"))?.as_str()
        }
        verb => verb,
    };
    match verb {
        "DROP" | "TRUNCATE" => {
            let what: Vec<&str> = words.iter().take(3).map(String::as_str).collect();
            let kinds = ["TABLE", "DATABASE", "SCHEMA", "VIEW", "MATERIALIZED", "OWNED"];
            let gone = verb == "TRUNCATE" || words.get(1).is_some_and(|word| kinds.contains(&word.as_str()));
            gone.then(|| Harm::Gone(start, what.join(" ")))
        }
        "DELETE" | "UPDATE" if !words.iter().any(|word| word == "WHERE") => {
            Some(Harm::EveryRow(start, verb.to_owned()))
        }
        _ => None,
    }
}

/// The words of each statement in capitals, without what stands in quotes and comments.
fn statements(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        if c.is_alphanumeric() || c == '_' {
            if word.is_empty() && words.is_empty() {
                start = at;
            }
            word.extend(c.to_uppercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match (c, next) {
            ('\'' | '"', _) => while letters.next().is_some_and(|(_, inside)| inside != c) {},
            ('-', Some('-')) => while letters.next().is_some_and(|(_, inside)| inside != '\n') {},
            ('/', Some('*')) => {
                let mut before = ' ';
                letters.next();
                for (_, inside) in letters.by_ref() {
                    if before == '*' && inside == '/' {
                        break;
                    }
                    before = inside;
                }
            }
            (';', _) if !words.is_empty() => found.push((start, std::mem::take(&mut words))),
            _ => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if !words.is_empty() {
        found.push((start, words));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_judged_one_by_one() {
        let gone = |at, words: &str| Harm::Gone(at, words.to_owned());
        let every = |at, verb: &str| Harm::EveryRow(at, verb.to_owned());
        assert_eq!(harms("DELETE FROM a"), [every(0, "DELETE")]);
        assert_eq!(
            harms("select 1; delete from a; update b set c = 1"),
            [every(10, "DELETE"), every(25, "UPDATE")]
        );
        assert_eq!(harms("drop table a; TRUNCATE b"), [gone(0, "DROP TABLE A"), gone(14, "TRUNCATE B")]);
        assert_eq!(harms("with x as (select 1) delete from a"), [every(0, "DELETE")]);
        for fine in [
            "DELETE FROM a WHERE b > 1",
            "SELECT 'DROP TABLE a'",
            "-- DROP TABLE a\nSELECT 1",
            "/* TRUNCATE a; */ SELECT 1",
            "UPDATE a SET b = 1 where c IN (SELECT 1)",
            "DROP INDEX i",
            "INSERT INTO deleted VALUES ('x')",
            "",
            "';--",
        ] {
            assert_eq!(harms(fine), [], "{fine}");
        }
    }
}
