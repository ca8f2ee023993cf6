//! JUnit XML as test runners write it: pytest, Maven Surefire, Gradle, nextest, Jest.
//!
//! There is no standard. What all have in common is `testcase`, with `failure`, `error` or `skipped` in it; those are
//! counted. The numbers in the attributes are only compared: a report that claims more than it lists is cut off.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::fmt;

/// How deep elements may be nested.
const DEEPEST: usize = 64;

/// How many failing tests are remembered.
const REMEMBERED: usize = 1000;

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Test cases.
    pub total: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that ended with an error.
    pub errors: u64,
    /// Those that did not run.
    pub skipped: u64,
    /// The names of those that failed or ended with an error, the first 1000.
    pub failing: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { total, failures, errors, skipped, .. } = self;
        write!(f, "{total}: {failures} failed, {errors} ended with an error, {skipped} skipped")
    }
}

/// A test case as far as it was read.
#[derive(Debug, Default)]
struct Case {
    name: String,
    depth: usize,
    failed: bool,
    error: bool,
    skipped: bool,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    depth: usize,
    case: Option<Case>,
    /// What the outermost elements with a number of tests claim.
    claimed: u64,
    claimed_at: Option<usize>,
    root: bool,
}

/// Reads a report.
///
/// # Errors
/// Says in words why it is none: not UTF-8, not well-formed, cut off, another kind of document, a number of tests that is
/// not there.
pub fn read(bytes: &[u8]) -> Result<Tally, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the report is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut state = State::default();
    loop {
        let event = reader.read_event().map_err(|error| format!("not well-formed XML: {error}"))?;
        match event {
            Event::Start(element) => {
                state.open(&element)?;
                state.depth += 1;
                if state.depth > DEEPEST {
                    return Err(format!("elements are nested more than {DEEPEST} deep"));
                }
            }
            Event::Empty(element) => {
                state.open(&element)?;
                state.close_case();
            }
            Event::End(_) => {
                state.depth = state.depth.saturating_sub(1);
                state.close_case();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    state.finish()
}

impl State {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.local_name();
        let name = name.as_ref();
        if self.depth == 0 {
            if self.root || !matches!(name, b"testsuites" | b"testsuite") {
                return Err("it is not a JUnit report".to_owned());
            }
            self.root = true;
        }
        match (name, &mut self.case) {
            (b"testcase", None) => {
                self.case = Some(Case { name: case_name(element)?, depth: self.depth, ..Case::default() });
            }
            (b"testcase", Some(_)) => return Err("a test case stands inside another".to_owned()),
            (b"testsuites" | b"testsuite", None) => self.claims(element)?,
            // Only what stands directly in a test case is its result: output may hold anything.
            (b"failure", Some(case)) if self.depth == case.depth + 1 => case.failed = true,
            (b"error", Some(case)) if self.depth == case.depth + 1 => case.error = true,
            (b"skipped", Some(case)) if self.depth == case.depth + 1 => case.skipped = true,
            _ => {}
        }
        Ok(())
    }

    /// Adds up the claims of the outermost elements that make one.
    fn claims(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        if self.claimed_at.is_some_and(|depth| self.depth > depth) {
            return Ok(());
        }
        let Some(text) = attribute(element, "tests")? else { return Ok(()) };
        let claimed: u64 =
            text.trim().parse().map_err(|_| format!("`{}` is no number of tests", text.escape_debug()))?;
        self.claimed = self.claimed.saturating_add(claimed);
        self.claimed_at = Some(self.depth);
        Ok(())
    }

    /// Counts the test case that ends at this depth.
    fn close_case(&mut self) {
        let Some(case) = self.case.take_if(|case| case.depth == self.depth) else { return };
        let tally = &mut self.tally;
        tally.total += 1;
        // A test that fails and then ends with an error while it is torn down is one test.
        match (case.failed, case.error, case.skipped) {
            (true, ..) => tally.failures += 1,
            (_, true, _) => tally.errors += 1,
            (_, _, true) => tally.skipped += 1,
            _ => {}
        }
        if (case.failed || case.error) && tally.failing.len() < REMEMBERED {
            tally.failing.push(case.name);
        }
    }

    fn finish(self) -> Result<Tally, String> {
        if !self.root {
            return Err("the report is empty".to_owned());
        }
        if self.depth > 0 {
            return Err("the report is cut off".to_owned());
        }
        if self.claimed > self.tally.total {
            return Err(format!("it claims {} tests and lists {}", self.claimed, self.tally.total));
        }
        Ok(self.tally)
    }
}

/// `class.name`, or what there is of it.
fn case_name(element: &BytesStart<'_>) -> Result<String, String> {
    let name = attribute(element, "name")?.unwrap_or_else(|| "(no name)".to_owned());
    let class = attribute(element, "classname")?.filter(|class| !class.is_empty());
    Ok(class.map_or_else(|| name.clone(), |class| format!("{class}.{name}")))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let wrong = |error: &dyn fmt::Display| format!("not well-formed XML: {error}");
    let found = element.try_get_attribute(name).map_err(|error| wrong(&error))?;
    let Some(found) = found else { return Ok(None) };
    let value = found.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(|error| wrong(&error))?;
    Ok(Some(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(xml: &str) -> Tally {
        read(xml.as_bytes()).unwrap()
    }

    fn counts(xml: &str) -> [u64; 4] {
        let Tally { total, failures, errors, skipped, .. } = tally(xml);
        [total, failures, errors, skipped]
    }

    #[test]
    fn what_runners_write_is_counted() {
        let pytest = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite
            name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.1">
            <testcase classname="tests.test_a" name="test_good" time="0.001" />
            <testcase classname="tests.test_a" name="test_bad[&lt;1&gt;]"><failure message="assert">1 == 2</failure></testcase>
            <testcase classname="tests.test_a" name="test_broken"><error message="failed on setup">E</error></testcase>
            <testcase classname="tests.test_a" name="test_later"><skipped type="pytest.skip"/></testcase>
            </testsuite></testsuites>"#;
        assert_eq!(counts(pytest), [4, 1, 1, 1]);
        assert_eq!(tally(pytest).failing, ["tests.test_a.test_bad[<1>]", "tests.test_a.test_broken"]);
        let surefire = r#"<testsuite tests="2"><properties/><testcase name="a"><system-out><![CDATA[<failure/>]]></system-out>
            </testcase><testcase name="b"><rerunFailure/><flakyFailure/></testcase></testsuite>"#;
        assert_eq!(counts(surefire), [2, 0, 0, 0]);
        let nested = r#"<testsuites><testsuite tests="1"><testsuite tests="1"><testcase name="a"/></testsuite></testsuite>
            <testsuite tests="1"><testcase name="b"><failure/><error/></testcase></testsuite></testsuites>"#;
        assert_eq!(counts(nested), [2, 1, 0, 0]);
        assert_eq!(counts("<testsuites/>"), [0; 4]);
    }

    #[test]
    fn what_proves_nothing_is_said_in_words() {
        for (xml, expected) in [
            ("", "empty"),
            ("   \n", "empty"),
            ("<testsuite tests='2'><testcase name='a'/></testsuite>", "claims 2 tests and lists 1"),
            ("<testsuites tests='3'><testsuite tests='1'><testcase/></testsuite></testsuites>", "claims 3"),
            ("<testsuite><testcase name='a'/>", "cut off"),
            ("<testsuite><testcase name='a'></testsuite>", "not well-formed"),
            ("<testsuite><testcase name='a'", "not well-formed"),
            ("<html><testcase/></html>", "not a JUnit report"),
            ("<testsuite/><testsuite/>", "not a JUnit report"),
            ("<testsuite tests='many'/>", "no number of tests"),
            ("<testsuite><testcase><testcase/></testcase></testsuite>", "inside another"),
            ("no XML", "empty"),
        ] {
            let found = read(xml.as_bytes()).unwrap_err();
            assert!(found.contains(expected), "{xml}: {found}");
        }
        assert!(read(b"<testsuite name='\xff'/>").unwrap_err().contains("UTF-8"));
        assert!(read("<testsuite>".repeat(100).as_bytes()).unwrap_err().contains("nested"));
    }

    #[test]
    fn entities_of_its_own_are_not_followed() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
            <testsuite><testcase name="&b;"><failure/></testcase></testsuite>"#;
        assert!(read(bomb.as_bytes()).is_err());
    }
}
