//! Plain scalars under the core schema of YAML 1.2, and the words of YAML 1.1 that people still write.

use serde_json::Number;

use super::Value;

/// What a plain scalar means. `Err` is a number that cannot be represented.
pub fn resolve(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Boolean(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Boolean(false)),
        ".nan" | ".NaN" | ".NAN" => return Err("a value that is not a number is not accepted"),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err("an infinite number is not accepted");
    }
    if let Some(number) = integer(text, unsigned)? {
        return Ok(Value::Number(number));
    }
    if is_float(unsigned) {
        let value: Option<f64> = text.parse().ok();
        return match value.and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => Err("the number is too large"),
        };
    }
    Ok(Value::Text(text.to_owned()))
}

fn integer(text: &str, unsigned: &str) -> Result<Option<Number>, &'static str> {
    let too_large = "the number is too large";
    if let Some(digits) = text.strip_prefix("0x").filter(|rest| all(rest, |c| c.is_ascii_hexdigit())) {
        return u64::from_str_radix(digits, 16).map(|n| Some(n.into())).map_err(|_| too_large);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|rest| all(rest, |c| matches!(c, '0'..='7'))) {
        return u64::from_str_radix(digits, 8).map(|n| Some(n.into())).map_err(|_| too_large);
    }
    if !all(unsigned, |c| c.is_ascii_digit()) {
        return Ok(None);
    }
    let small = text.parse::<i64>().ok().map(Number::from);
    small.or_else(|| text.parse::<u64>().ok().map(Number::from)).map(Some).ok_or(too_large)
}

/// `[0-9]* . [0-9]*` with a digit somewhere and an optional exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        all(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), |c| c.is_ascii_digit())
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

fn all(text: &str, test: fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(test)
}

/// A word that YAML 1.1 took for a boolean and YAML 1.2 does not, and what it meant.
pub fn is_old_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" => Some(true),
        "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Ok(Value::Text(text)) => format!("text {text}"),
            Ok(Value::Number(number)) => number.to_string(),
            Ok(Value::Boolean(value)) => value.to_string(),
            Ok(Value::Null) => "null".into(),
            Ok(_) => "?".into(),
            Err(why) => why.into(),
        }
    }

    #[test]
    fn the_core_schema() {
        for (text, expected) in [
            ("yes", "text yes"),
            ("on", "text on"),
            ("true", "true"),
            ("~", "null"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("012", "12"),
            ("+5", "5"),
            ("-3", "-3"),
            ("1.5e3", "1500.0"),
            (".5", "0.5"),
            ("1_000", "text 1_000"),
            ("25%", "text 25%"),
            ("1.2.3", "text 1.2.3"),
            (".", "text ."),
            ("-", "text -"),
            ("e5", "text e5"),
            ("18446744073709551615", "18446744073709551615"),
            ("99999999999999999999", "the number is too large"),
            ("1e999", "the number is too large"),
            ("-.inf", "an infinite number is not accepted"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
