//! A small reader of shell scripts: enough to see commands, their words and what is piped into them. It runs nothing,
//! never fails, and understands quotes, substitutions, redirections and here-documents.

use std::ops::Range;

/// A word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// The text, quotes taken off.
    pub text: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// Whether a variable or a substitution goes into it.
    pub expands: bool,
    /// Whether it is a pattern for file names.
    pub glob: bool,
    /// The number of the argument, where words are arguments.
    pub argument: Option<usize>,
}

/// A simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Its words, assignments in front included; redirections left out.
    pub words: Vec<Word>,
    /// Whether it reads what the command before it writes.
    pub piped: bool,
    /// Texts that it reads: here-documents and here-strings, with where they begin.
    pub input: Vec<(usize, String)>,
    /// The commands inside its substitutions, as numbers in the list.
    pub inner: Range<usize>,
    /// Whether what it prints goes to a file.
    pub redirects: bool,
}

/// How deep substitutions are followed.
const DEEPEST: usize = 8;

/// The commands of a script, inner ones before those that hold them.
pub(super) fn commands(script: &str) -> Vec<Command> {
    let mut out = Vec::new();
    read(script, 0, 0, &mut out);
    out
}

/// The command that a list of arguments is.
pub(super) fn of_arguments(argv: &[String]) -> Command {
    let word = |(number, text): (usize, &String)| Word {
        text: text.clone(),
        span: 0..text.len(),
        expands: text.contains("{{"),
        glob: false,
        argument: Some(number),
    };
    Command { words: argv.iter().enumerate().map(word).collect(), ..Command::default() }
}

fn read(script: &str, base: usize, depth: usize, out: &mut Vec<Command>) {
    let first = out.len();
    let mut reader = Reader {
        text: script,
        at: 0,
        base,
        depth,
        out,
        command: Command { inner: first..first, ..Command::default() },
        word: None,
        redirect: Redirect::No,
        documents: Vec::new(),
    };
    reader.script();
}

/// What the next word is.
#[derive(PartialEq, Eq)]
enum Redirect {
    No,
    File,
    Document,
    Text,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    base: usize,
    depth: usize,
    out: &'a mut Vec<Command>,
    command: Command,
    word: Option<Word>,
    redirect: Redirect,
    documents: Vec<String>,
}

impl Reader<'_> {
    fn script(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    if let Some(next) = self.next()
                        && next != '\n'
                    {
                        self.put(next, 1 + next.len_utf8());
                    }
                }
                '\'' => self.single(),
                '"' => self.double(),
                '$' => self.dollar(),
                '`' => self.backquote(),
                '#' if self.word.is_none() => self.skip_line(),
                '|' | '&' | ';' | '\n' | '(' | ')' => self.operator(c),
                '<' | '>' => self.redirection(c),
                c if c.is_whitespace() => self.end_word(),
                c => {
                    self.put(c, c.len_utf8());
                    if matches!(c, '*' | '?' | '[')
                        && let Some(word) = &mut self.word
                    {
                        word.glob = true;
                    }
                }
            }
        }
        self.end_command(false);
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// The word that is being read; `back` bytes of it have been read already.
    fn open(&mut self, back: usize) -> &mut Word {
        let start = self.base + self.at.saturating_sub(back);
        self.word.get_or_insert_with(|| Word { span: start..start, ..Word::default() })
    }

    fn put(&mut self, c: char, back: usize) {
        let end = self.base + self.at;
        let word = self.open(back);
        word.text.push(c);
        word.span.end = end;
    }

    fn close(&mut self) {
        let end = self.base + self.at;
        if let Some(word) = &mut self.word {
            word.span.end = end;
        }
    }

    fn single(&mut self) {
        self.open(1);
        while let Some(c) = self.next() {
            if c == '\'' {
                break;
            }
            self.put(c, 0);
        }
        self.close();
    }

    fn double(&mut self) {
        self.open(1);
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => {
                    if let Some(next) = self.next() {
                        self.put(next, 0);
                    }
                }
                '$' => self.dollar(),
                '`' => self.backquote(),
                c => self.put(c, 0),
            }
        }
        self.close();
    }

    /// A variable, or a substitution whose commands are read as well.
    fn dollar(&mut self) {
        self.open(1).expands = true;
        self.put('$', 1);
        if self.take("(") {
            let start = self.at;
            let length = closing(self.rest());
            self.inside(start, start + length);
            self.at = (start + length + 1).min(self.text.len());
            self.close();
        }
    }

    fn backquote(&mut self) {
        self.open(1).expands = true;
        let start = self.at;
        let length = self.rest().find('`').unwrap_or(self.rest().len());
        self.inside(start, start + length);
        self.at = (start + length + 1).min(self.text.len());
        self.close();
    }

    fn inside(&mut self, start: usize, end: usize) {
        let inner = self.text.get(start..end).unwrap_or_default().to_owned();
        if let Some(word) = &mut self.word {
            word.text.push_str(&inner);
        }
        if self.depth < DEEPEST {
            read(&inner, self.base + start, self.depth + 1, self.out);
            self.command.inner.end = self.out.len();
        }
    }

    fn skip_line(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        self.at += length;
    }

    fn operator(&mut self, c: char) {
        // `2>&1` and `&>file` are redirections.
        let aimed = self.redirect == Redirect::File && self.word.is_none();
        if c == '&' && (aimed || self.rest().starts_with('>')) {
            return;
        }
        let piped = c == '|' && !self.take("|");
        if piped {
            self.take("&");
        }
        self.end_command(piped);
        if c == '\n' {
            self.documents();
        }
    }

    fn redirection(&mut self, c: char) {
        if self.word.as_ref().is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        if self.take("(") {
            // A command that is read like a file.
            self.open(2).expands = true;
            let start = self.at;
            let length = closing(self.rest());
            self.inside(start, start + length);
            self.at = (start + length + 1).min(self.text.len());
            self.close();
            return;
        }
        self.redirect = Redirect::File;
        self.command.redirects |= c == '>' && !self.rest().starts_with('&');
        if c == '<' && self.take("<<") {
            self.redirect = Redirect::Text;
        } else if c == '<' && self.take("<") {
            self.take("-");
            self.redirect = Redirect::Document;
        } else {
            self.take(">");
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::replace(&mut self.redirect, Redirect::No) {
            Redirect::No => self.command.words.push(word),
            Redirect::File => {}
            Redirect::Document => self.documents.push(word.text),
            Redirect::Text => self.command.input.push((word.span.start, word.text)),
        }
    }

    fn end_command(&mut self, piped: bool) {
        self.end_word();
        self.redirect = Redirect::No;
        let next = Command { piped, ..Command::default() };
        let command = std::mem::replace(&mut self.command, next);
        if !command.words.is_empty() || !command.input.is_empty() {
            self.out.push(command);
        }
        self.command.inner = self.out.len()..self.out.len();
    }

    /// The texts of the here-documents that the line before asked for.
    fn documents(&mut self) {
        for mark in std::mem::take(&mut self.documents) {
            let start = self.at;
            let mut text = String::new();
            while !self.rest().is_empty() {
                let length = self.rest().find('\n').map_or(self.rest().len(), |at| at + 1);
                let line = self.rest().get(..length).unwrap_or_default().to_owned();
                self.at += length;
                if line.trim() == mark {
                    break;
                }
                text.push_str(&line);
            }
            let base = self.base + start;
            if let Some(command) = self.out.last_mut() {
                command.input.push((base, text));
            }
        }
    }
}

/// How many bytes there are before the bracket that closes; all where none does.
fn closing(text: &str) -> usize {
    let mut open = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (quote, c) {
            (_, '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => open += 1,
            (None, ')') if open == 0 => return at,
            (None, ')') => open -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(script: &str) -> Vec<Vec<String>> {
        commands(script)
            .into_iter()
            .map(|command| command.words.into_iter().map(|word| word.text).collect())
            .collect()
    }

    #[test]
    fn words_are_told_apart_as_a_shell_does() {
        assert_eq!(words("a 'b c' \"d $e\" f\\ g"), [vec!["a", "b c", "d $e", "f g"]]);
        assert_eq!(words("a; b && c || d # e\nf"), [vec!["a"], vec!["b"], vec!["c"], vec!["d"], vec!["f"]]);
        assert_eq!(words("a > b 2>&1 < c"), [vec!["a"]]);
        assert_eq!(words("a \\\n  b"), [vec!["a", "b"]]);
        assert_eq!(words("a $(b 'c)' d) e"), [vec!["b", "c)", "d"], vec!["a", "$b 'c)' d", "e"]]);
        assert_eq!(words("a `b c`"), [vec!["b", "c"], vec!["a", "b c"]]);
    }

    #[test]
    fn pipes_documents_and_patterns_are_seen() {
        let found = commands("curl -s x | sh");
        assert!(!found[0].piped && found[1].piped);
        let found = commands("psql x << 'EOF'\nDELETE FROM a;\nEOF\nls *.txt $A\n");
        assert_eq!(found[0].input, [(16, "DELETE FROM a;\n".to_owned())]);
        assert!(found[1].words[1].glob && found[1].words[2].expands);
        let script = "ls  'a b'";
        assert_eq!(&script[commands(script)[0].words[1].span.clone()], "'a b'");
    }

    proptest! {
        #[test]
        fn no_script_panics_and_places_lie_inside(script in "([a-z $'\"`(){}<>|&;#*\\\\\né-]|<<EOF|\\$\\(|EOF\n){0,60}") {
            for command in commands(&script) {
                for word in command.words {
                    prop_assert!(word.span.end <= script.len(), "{:?} in {:?}", word, script);
                    prop_assert!(script.get(word.span.clone()).is_some(), "{:?} in {:?}", word, script);
                }
            }
        }
    }
}
