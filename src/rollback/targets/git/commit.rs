//! Commits: what git says of them, and what stands in their objects.

use super::repository::{is_object, short};

/// How `git log` is told to write commits down.
pub const FORMAT: &str = "--format=tformat:%H%x1f%T%x1f%ct%x1f%P%x1f%an%x1f%s";

/// The same after a mark that tells the two sides of a range apart.
pub const MARKED: &str = "--format=tformat:%m%H%x1f%T%x1f%ct%x1f%P%x1f%an%x1f%s";

/// A commit, as far as it is shown. Author and subject are other people's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// Its tree.
    pub tree: String,
    /// When it was committed, in seconds since 1970 (UTC).
    pub at: i64,
    /// Its parents, the first one first.
    pub parents: Vec<String>,
    /// Who wrote it.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// Its first twelve digits.
    pub fn short(&self) -> &str {
        short(&self.id)
    }

    /// Its short id and subject.
    pub fn shown(&self) -> String {
        format!("{} {}", self.short(), self.subject)
    }
}

/// What `git log -z` wrote in [`FORMAT`].
pub fn logged(bytes: &[u8]) -> Vec<Commit> {
    bytes.split(|byte| *byte == 0).filter(|record| !record.is_empty()).filter_map(one_logged).collect()
}

/// What `git log -z --left-right` wrote in [`MARKED`]: whether each is on the left side.
pub fn marked(bytes: &[u8]) -> impl Iterator<Item = (bool, Commit)> {
    bytes.split(|byte| *byte == 0).filter_map(|record| {
        let (mark, record) = record.split_first()?;
        Some((*mark == b'<', one_logged(record)?))
    })
}

fn one_logged(record: &[u8]) -> Option<Commit> {
    let text = String::from_utf8_lossy(record);
    let mut fields = text.splitn(6, '\u{1f}').map(str::to_owned);
    Some(Commit {
        id: fields.next().filter(|id| is_object(id))?,
        tree: fields.next()?,
        at: fields.next()?.parse().ok()?,
        parents: fields.next()?.split_whitespace().map(str::to_owned).collect(),
        author: fields.next()?,
        subject: fields.next()?,
    })
}

/// What `git cat-file --batch` answered about one name.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It names no commit: nothing, or more than one thing.
    Absent,
    /// It names this one.
    Commit(Box<Commit>),
    /// It names the commit with this id, whose words only git can read: they are in another encoding, or not written as
    /// they should be.
    Unread(String),
}

/// What `git cat-file --batch` answered about each of so many names; none where it does not read as it should.
pub fn answers(mut bytes: &[u8], names: usize) -> Option<Vec<Answer>> {
    let mut all = Vec::with_capacity(names);
    for _ in 0..names {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
        let head = String::from_utf8_lossy(head);
        let words: Vec<&str> = head.split(' ').collect();
        let [id, "commit", length] = words.as_slice() else {
            if !matches!(words.last(), Some(&("missing" | "ambiguous"))) {
                return None;
            }
            all.push(Answer::Absent);
            bytes = rest;
            continue;
        };
        let length: usize = length.parse().ok()?;
        let object = rest.get(..length)?;
        bytes = rest.get(length..)?.strip_prefix(b"\n")?;
        let id = (*id).to_owned();
        all.push(match one_written(&id, object) {
            Some(commit) => Answer::Commit(Box::new(commit)),
            None => Answer::Unread(id),
        });
    }
    bytes.is_empty().then_some(all)
}

/// A commit as its object holds it: headers, an empty line, the message.
fn one_written(id: &str, object: &[u8]) -> Option<Commit> {
    let text = std::str::from_utf8(object).ok()?;
    let (headers, message) = text.split_once("\n\n").or_else(|| Some((text.strip_suffix('\n')?, "")))?;
    let all = |name: &'static str| {
        headers.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
    };
    let only = |name: &'static str| {
        let mut found = all(name);
        found.next().filter(|_| found.next().is_none())
    };
    if all("encoding").next().is_some() || !is_object(id) {
        return None;
    }
    Some(Commit {
        id: id.to_owned(),
        tree: only("tree").filter(|tree| is_object(tree))?.to_owned(),
        at: only("committer")?.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok()?,
        parents: all("parent").map(str::to_owned).collect(),
        author: only("author")?.split_once('<')?.0.trim().to_owned(),
        subject: subject(message),
    })
}

/// The first paragraph of a message, as one line.
fn subject(message: &str) -> String {
    let lines = message.lines().map(str::trim_end).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "885a460e11a64cda7e5c30ec13bb27d6c463f2ff";
    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn object(more: &str, message: &str) -> String {
        format!(
            "tree {TREE}\nparent {ID}\nparent {TREE}\nauthor A. U. Thor <a@example.org> 1795200073 +0200\n\
             committer C <c@example.org> 1795200074 +0200\n{more}\n{message}"
        )
    }

    fn batch(object: &str) -> Vec<u8> {
        format!("v1..v2^{{commit}} missing\n{ID} commit {}\n{object}\n", object.len()).into_bytes()
    }

    #[test]
    fn commits_are_read_as_they_are_written() {
        let signed =
            "gpgsig -----BEGIN PGP SIGNATURE-----\n \n tree of no object\n -----END PGP SIGNATURE-----\n";
        let object = object(signed, "\none\ntwo \n\nmore\n");
        let bytes = batch(&object);
        let read = answers(&bytes, 2).unwrap();
        assert_eq!(read[0], Answer::Absent);
        let Answer::Commit(commit) = &read[1] else { panic!("{read:?}") };
        assert_eq!((commit.id.as_str(), commit.tree.as_str(), commit.at), (ID, TREE, 1_795_200_074));
        assert_eq!(commit.parents, [ID, TREE]);
        assert_eq!((commit.author.as_str(), commit.subject.as_str()), ("A. U. Thor", "one two"));
        for cut in [0, 10, bytes.len() - 1] {
            assert_eq!(answers(&bytes[..cut], 2), None, "cut at {cut}");
        }
        assert_eq!(answers(&bytes, 1), None, "an answer too many");
    }

    #[test]
    fn other_encodings_are_left_to_git() {
        let read = answers(&batch(&object("encoding ISO-8859-1\n", "x\n")), 2).unwrap();
        assert_eq!(read[1], Answer::Unread(ID.to_owned()));
    }
}
