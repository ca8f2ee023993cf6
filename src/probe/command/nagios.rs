//! Performance data as the Monitoring Plugins Development Guidelines define it:
//! `'label'=value[UOM];[warn];[crit];[min];[max]`, separated by spaces, behind a `|`.

use std::collections::BTreeMap;

use super::Reading;

/// Every labelled value in a plugin's output; what cannot be read is a reason.
///
/// Performance data stands behind the first `|` of the first line, and behind a second one somewhere in the lines
/// after it, from there to the end.
pub(super) fn performance_data(output: &str) -> BTreeMap<String, Result<Reading, String>> {
    let (first, rest) = output.split_once('\n').unwrap_or((output, ""));
    let mut values = BTreeMap::new();
    let parts = [first, rest].map(|part| part.split_once('|').map_or("", |(_, data)| data));
    for part in parts {
        let mut left = part.trim_start();
        while !left.is_empty() {
            let (item, after) = item(left);
            if let Some((label, reading)) = item {
                // The same label twice: neither can be trusted.
                let twice = Err("it is printed twice".to_owned());
                values.entry(label).and_modify(|known| *known = twice).or_insert(reading);
            }
            left = after.trim_start();
        }
    }
    values
}

type Item = Option<(String, Result<Reading, String>)>;

/// The first item and what follows it.
fn item(text: &str) -> (Item, &str) {
    let Some((label, after)) = label(text) else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (None, text.get(end..).unwrap_or_default());
    };
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    let (fields, rest) = after.split_at(end);
    let value = fields.split(';').next().unwrap_or_default();
    (Some((label, reading(value))), rest)
}

/// A label and what follows its `=`. In single quotes it may hold spaces; two of them stand for one.
fn label(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let (label, after) = text.split_once('=')?;
        let plain = !label.is_empty() && !label.contains(char::is_whitespace);
        return plain.then(|| (label.to_owned(), after));
    };
    let mut label = String::new();
    let mut left = quoted;
    loop {
        let (part, after) = left.split_once('\'')?;
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                label.push('\'');
                left = after;
            }
            None => return after.strip_prefix('=').map(|after| (label, after)),
        }
    }
}

fn reading(text: &str) -> Result<Reading, String> {
    if text == "U" {
        return Err("the plugin could not determine it".to_owned());
    }
    // An exponent is outside the guidelines, but plugins in scripting languages print one.
    let exponent = |at: usize, c: char| {
        matches!(c, 'e' | 'E')
            && text.get(at + 1..).is_some_and(|rest| {
                rest.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit())
            })
    };
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.') || exponent(*at, *c)))
        .map_or(text.len(), |(at, _)| at);
    let (number, unit) = text.split_at(end);
    let shown = text.escape_debug();
    let value = number.parse::<f64>().map_err(|_| format!("`{shown}` does not begin with a number"))?;
    if unit.chars().any(|c| c.is_ascii_digit() || matches!(c, '"' | '\'' | ',')) {
        return Err(format!("`{shown}` is not a number and a unit"));
    }
    Ok(Reading { value, unit: unit.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(output: &str) -> Vec<String> {
        let one = |(label, reading): (&String, &Result<Reading, String>)| match reading {
            Ok(reading) => format!("{label}={}{}", reading.value, reading.unit),
            Err(reason) => format!("{label}: {reason}"),
        };
        performance_data(output).iter().map(one).collect()
    }

    #[test]
    fn examples_of_the_guidelines() {
        assert_eq!(
            shown("PING ok - Packet loss = 0%, RTA = 0.80 ms | percent_packet_loss=0, rta=0.80"),
            ["percent_packet_loss: `0,` is not a number and a unit", "rta=0.8"]
        );
        assert_eq!(
            shown(
                "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n\
                 /boot 68 MB (69%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414"
            ),
            ["/=2643MB", "/boot=68MB", "/home=69357MB"]
        );
        assert_eq!(
            shown("OK|'a b''c'=1.5e3ms;;;; d=U e=-.5 e2=7c"),
            ["a b'c=1500ms", "d: the plugin could not determine it", "e=-0.5", "e2=7c",]
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_number() {
        assert_eq!(
            shown("OK | a=0,5 b= c=x =1 'open=1 d=1 d=2"),
            [
                "a: `0,5` is not a number and a unit",
                "b: `` does not begin with a number",
                "c: `x` does not begin with a number",
                "d: it is printed twice",
            ]
        );
        assert!(shown("no data").is_empty() && shown("").is_empty() && shown("x |").is_empty());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_hang(text in any::<String>(), data in "[ a'=;|0-9.eU%\n-]{0,40}") {
            let _ = performance_data(&text);
            let _ = performance_data(&format!("OK | {data}"));
        }
    }
}
