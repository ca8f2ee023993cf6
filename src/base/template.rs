//! Templates: minijinja, where a missing name is an error, work is bounded, and values are escaped for their sink.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

use super::error::{Error, ErrorCode, Result};
use super::untrusted::{Sink, escape};

/// How many instructions a template may take: far more than a message needs, far less than a second.
const FUEL: u64 = 200_000;

/// Renders `source` with `context`; every printed value is escaped for `sink` unless it is marked `| safe`.
///
/// `name` is used in errors only. A name that the context lacks is an error, not an empty text.
pub fn render(name: &str, source: &str, context: impl Serialize, sink: Sink) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .map_err(|error| {
                Error::new(ErrorCode::Bug, format!("the template syntax is not accepted: {error}"))
            })?,
    );
    environment.set_formatter(move |out, _, value| {
        if value.is_undefined() {
            return Err(minijinja::Error::from(minijinja::ErrorKind::UndefinedError));
        }
        let text = value.to_string();
        let text = if value.is_safe() { text } else { escape(&text, sink) };
        out.write_str(&text).map_err(minijinja::Error::from)
    });
    environment.render_named_str(name, source, Value::from(minijinja::value::Serde(context))).map_err(
        |error| {
            let place = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
            Error::new(ErrorCode::Template, format!("template {name}{place}: {error}"))
                .hint("`irctl notify preview` shows a message as it would be sent")
        },
    )
}

/// Whether `source` is a template at all.
///
/// # Errors
/// Says in which line it is none.
pub fn check(source: &str) -> Result<()> {
    Environment::new().template_from_str(source).map(drop).map_err(|error| {
        let place = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
        let why = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        Error::new(ErrorCode::Template, format!("this is not a template,{place}: {why}"))
            .hint("write a value as {{ name }}, or {{ name.part }}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn escapes_for_the_sink() {
        let text = render("t", "{{ who }}!", json!({"who": "<!channel>"}), Sink::Slack).unwrap();
        assert_eq!(text, "&lt;!channel&gt;!");
    }

    #[test]
    fn a_missing_name_and_an_endless_loop_are_errors() {
        assert_eq!(render("t", "{{ x }}", json!({}), Sink::Plain).unwrap_err().code, ErrorCode::Template);
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}.{% endfor %}{% endfor %}";
        assert!(render("t", endless, json!({}), Sink::Plain).is_err());
    }
}
