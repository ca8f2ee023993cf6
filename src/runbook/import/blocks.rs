//! Markdown as a flat list of what a procedure is made of.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A part of a procedure, and the line it begins in.
#[derive(Debug)]
pub(super) struct Block {
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub content: Content,
}

/// What a part of a procedure is.
#[derive(Debug)]
pub(super) enum Content {
    /// A heading and its depth.
    Heading(usize, String),
    /// A paragraph, or an item of a list.
    Text(String),
    /// An item with a box.
    Box(String),
    /// Code.
    Code {
        /// The language, in small letters.
        language: String,
        /// The code.
        text: String,
    },
    /// A table.
    Table {
        /// The first row.
        head: Vec<String>,
        /// The others.
        rows: Vec<Vec<String>>,
    },
}

/// The parts of a procedure, in order.
pub(super) fn read(markdown: &str) -> Vec<Block> {
    let mut reader = Reader { lines: lines(markdown), ..Reader::default() };
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    for (event, span) in Parser::new_ext(markdown, options).into_offset_iter() {
        reader.event(event, span.start);
    }
    reader.end_text();
    reader.out
}

/// Where each line begins.
fn lines(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect()
}

#[derive(Default)]
struct Reader {
    lines: Vec<usize>,
    out: Vec<Block>,
    text: String,
    line: usize,
    checked: bool,
    depth: usize,
    code: Option<String>,
    row: Vec<String>,
    rows: Vec<Vec<String>>,
    head: Vec<String>,
    in_cell: bool,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, at: usize) {
        match event {
            Event::Start(tag) => self.start(tag, at),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.push(&text, at),
            Event::Code(text) => self.push(&format!("`{text}`"), at),
            Event::SoftBreak | Event::HardBreak => self.push(" ", at),
            Event::TaskListMarker(_) => self.checked = true,
            _ => {}
        }
    }

    fn push(&mut self, text: &str, at: usize) {
        if self.text.is_empty() && !self.in_cell && self.code.is_none() {
            self.line = self.line_of(at);
        }
        self.text.push_str(text);
    }

    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    fn add(&mut self, content: Content) {
        let line = self.line.max(1);
        self.out.push(Block { line, content });
    }

    fn start(&mut self, tag: Tag<'_>, at: usize) {
        match tag {
            Tag::Heading { level, .. } => {
                self.end_text();
                self.depth = level as usize;
                self.line = self.line_of(at);
            }
            Tag::CodeBlock(kind) => {
                self.end_text();
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split_whitespace().next().unwrap_or_default().to_lowercase()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some(language);
                self.line = self.line_of(at);
            }
            Tag::Item | Tag::Paragraph | Tag::List(_) | Tag::BlockQuote(_) => self.end_text(),
            Tag::Table(_) => {
                self.end_text();
                self.line = self.line_of(at);
                self.rows.clear();
                self.head.clear();
            }
            Tag::TableCell => self.in_cell = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = std::mem::take(&mut self.text).trim().to_owned();
                let depth = std::mem::take(&mut self.depth);
                self.add(Content::Heading(depth, text));
            }
            TagEnd::CodeBlock => {
                let text = std::mem::take(&mut self.text);
                let language = self.code.take().unwrap_or_default();
                self.add(Content::Code { language, text });
            }
            TagEnd::Item | TagEnd::Paragraph | TagEnd::BlockQuote(_) => self.end_text(),
            TagEnd::TableCell => {
                self.in_cell = false;
                self.row.push(std::mem::take(&mut self.text).trim().to_owned());
            }
            TagEnd::TableHead => self.head = std::mem::take(&mut self.row),
            TagEnd::TableRow => self.rows.push(std::mem::take(&mut self.row)),
            TagEnd::Table => {
                let (head, rows) = (std::mem::take(&mut self.head), std::mem::take(&mut self.rows));
                self.add(Content::Table { head, rows });
            }
            _ => {}
        }
    }

    /// A paragraph or an item is complete. A box belongs to the text after it, which may be a paragraph of its own.
    fn end_text(&mut self) {
        if self.code.is_some() || self.in_cell || self.depth > 0 {
            return;
        }
        let text = std::mem::take(&mut self.text).trim().to_owned();
        if text.is_empty() {
            return;
        }
        let content =
            if std::mem::take(&mut self.checked) { Content::Box(text) } else { Content::Text(text) };
        self.add(content);
    }
}
