//! Prometheus' text format, version 0.0.4: families of gauges, without times.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::Write as _;

use super::untrusted::{Sink, escape};

/// A text of metrics.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    labels: Vec<(String, String)>,
}

impl Exposition {
    /// Nothing yet; every sample carries these labels.
    pub fn labelled(labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { text: String::new(), labels }
    }

    /// A gauge with its samples, each with its labels. Without a sample the family is left out.
    pub fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, String)>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let common = self.labels.iter().map(|(name, value)| (name.as_str(), value.clone()));
            let labels: Vec<String> =
                common.chain(labels).map(|(name, value)| format!("{name}=\"{}\"", label(&value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.text, "{name}{labels} {}", number(value));
        }
    }

    /// A gauge with one sample and no labels of its own.
    pub fn single(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }

    /// The text; it ends with a line break.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A label's value: what is hidden is made visible, then the three characters that mean something are escaped.
fn label(value: &str) -> String {
    escape(value, Sink::Plain).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_numbers_are_written_as_the_format_says() {
        let mut text = Exposition::labelled(&[("shard", "1/2")]);
        let hostile = "a\"b\\c\nd\u{1b}[31m\r} 1\n";
        text.gauge("irctl_x", "What\nit is.", [(vec![("service", hostile.to_owned())], 0.25)]);
        text.gauge("irctl_none", "Nothing.", []);
        text.single("irctl_y", "More.", f64::NEG_INFINITY);
        assert_eq!(
            text.finish(),
            "# HELP irctl_x What\\nit is.\n# TYPE irctl_x gauge\n\
             irctl_x{shard=\"1/2\",service=\"a\\\"b\\\\c\\nd\\\\u{1b}[31m\\\\r} 1\\n\"} 0.25\n\
             # HELP irctl_y More.\n# TYPE irctl_y gauge\nirctl_y{shard=\"1/2\"} -Inf\n"
        );
    }
}
