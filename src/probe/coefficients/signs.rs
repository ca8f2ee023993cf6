//! Signs: what should be positive is not negative, and the other way round.

use std::collections::BTreeMap;

use crate::probe::pattern::{Pattern, nearest};

/// Coefficients with the wrong sign, each with its value; or why that cannot be said.
///
/// A pattern that fits nothing is a reason: the coefficient it was written for has gone or has another name.
pub(super) fn violations(
    coefficients: &BTreeMap<String, f64>,
    positive: &[Pattern],
    negative: &[Pattern],
) -> Result<Vec<(String, f64)>, String> {
    if positive.is_empty() && negative.is_empty() {
        return Err("neither `positive` nor `negative` names a coefficient".to_owned());
    }
    for pattern in positive.iter().chain(negative) {
        if !coefficients.keys().any(|name| pattern.matches(name)) {
            let near =
                pattern.literal().and_then(|name| nearest(name, coefficients.keys().map(String::as_str)));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("no coefficient is called `{pattern}`{near}"));
        }
    }
    let fits = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let mut wrong = Vec::new();
    for (name, value) in coefficients {
        match (fits(positive, name), fits(negative, name)) {
            (true, true) => return Err(format!("`{name}` should be positive and negative at once")),
            (true, false) if *value < 0.0 => wrong.push((name.clone(), *value)),
            (false, true) if *value > 0.0 => wrong.push((name.clone(), *value)),
            _ => {}
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(positive: &[&str], negative: &[&str]) -> Result<Vec<(String, f64)>, String> {
        let coefficients = [("own", -0.5), ("competitor_a", 0.25), ("competitor_b", -1.0), ("vix", 0.0)];
        let coefficients = coefficients.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let patterns =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Pattern>>();
        violations(&coefficients, &patterns(positive), &patterns(negative))
    }

    #[test]
    fn wrong_signs_are_named() {
        let wrong = check(&["own", "vix"], &["competitor_*"]).unwrap();
        assert_eq!(wrong, [("competitor_a".to_owned(), 0.25), ("own".to_owned(), -0.5)]);
    }

    #[test]
    fn zero_is_no_violation() {
        assert_eq!(check(&["vix"], &[]).unwrap(), []);
        assert_eq!(check(&[], &["vix"]).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_said_is_not_good() {
        assert_eq!(
            check(&["ownn"], &[]).unwrap_err(),
            "no coefficient is called `ownn`; did you mean `own`?"
        );
        assert_eq!(check(&[], &["rival_*"]).unwrap_err(), "no coefficient is called `rival_*`");
        assert!(check(&["own"], &["own"]).unwrap_err().contains("at once"));
        assert!(check(&[], &[]).is_err());
    }
}
