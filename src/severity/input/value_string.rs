//! Grafana's `valueString` and `__value_string__`: `[ var='A' metric='errors' labels={route=pay} value=0.12 ], …`.

use std::collections::BTreeMap;

/// One value of such a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluated {
    /// The reference: `A`, `B0`.
    pub(super) variable: Option<String>,
    /// The metric's name, where there is one.
    pub(super) metric: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// The number as it is written.
    pub(super) value: String,
}

/// Its values; what cannot be read is left out.
pub(super) fn parse(text: &str) -> Vec<Evaluated> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("[ ") {
        rest = rest.get(at + 2..).unwrap_or_default();
        // Labels may hold brackets, `value=` is the last part: the entry ends behind its number.
        let Some(value_at) = rest.find(" value=") else { break };
        let head = rest.get(..value_at).unwrap_or_default();
        let tail = rest.get(value_at + 7..).unwrap_or_default();
        let end = tail.find(" ]").unwrap_or(tail.len());
        let (value, after) = tail.split_at(end);
        found.push(Evaluated {
            variable: quoted(head, "var='"),
            metric: quoted(head, "metric='").filter(|metric| !metric.is_empty()),
            labels: labels(head),
            value: value.trim().to_owned(),
        });
        rest = after;
    }
    found
}

fn quoted(text: &str, begins: &str) -> Option<String> {
    let (_, rest) = text.split_once(begins)?;
    rest.split_once('\'').map(|(inside, _)| inside.to_owned())
}

fn labels(text: &str) -> BTreeMap<String, String> {
    let Some((_, rest)) = text.split_once("labels={") else { return BTreeMap::new() };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let pairs = inside.split(", ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(label, value)| (label.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_value() {
        let found = parse(
            "[ var='A' labels={route=pay, zone=eu} value=0.12 ], [ metric='' labels={} value=NaN ], \
             [ var='B0' metric='errors' labels={} value=1e-3 ]",
        );
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].variable.as_deref(), Some("A"));
        assert_eq!(found[0].labels["zone"], "eu");
        assert_eq!(found[0].value, "0.12");
        assert_eq!((found[1].metric.clone(), found[1].value.as_str()), (None, "NaN"));
        assert_eq!(found[2].metric.as_deref(), Some("errors"));
        for nothing in ["", "[ ", "value=1", "[ var='A'"] {
            assert_eq!(parse(nothing), [], "{nothing}");
        }
    }
}
