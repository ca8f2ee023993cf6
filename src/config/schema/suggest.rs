//! "Did you mean": the nearest of some known words.

/// Words longer than this are no typing errors of anything.
const LONGEST: usize = 60;

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.is_empty() || word.chars().count() > LONGEST {
        return None;
    }
    let plain = plain(word);
    let allowed = (plain.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&plain, &self::plain(known)), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
        .or_else(|| one_inside_the_other(&plain, known))
}

/// `timezones` for `zone`, `channel` for `channels_by_name`: only when a single known word is like that.
fn one_inside_the_other<'a>(plain: &str, known: &[&'a str]) -> Option<&'a str> {
    if plain.len() < 4 {
        return None;
    }
    let mut like = known.iter().filter(|known| {
        known.len() >= 4 && {
            let known = self::plain(known);
            known.contains(plain) || plain.contains(&known)
        }
    });
    like.next().copied().filter(|_| like.next().is_none())
}

/// ``did you mean `x`?``, if there is a word to be meant.
pub fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// Case, dashes and underscores do not make another word.
fn plain(word: &str) -> String {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Words in back-quotes with commas, at most a dozen.
pub fn list(words: &[&str]) -> String {
    let mut shown: Vec<_> = words.iter().take(12).map(|word| format!("`{word}`")).collect();
    if words.len() > 12 {
        shown.push(format!("and {} more", words.len() - 12));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_only() {
        let known = ["acknowledge", "respond", "resolve", "update_every"];
        assert_eq!(nearest("acknowlege", &known), Some("acknowledge"));
        assert_eq!(nearest("update-every", &known), Some("update_every"));
        assert_eq!(nearest("Resolve", &known), Some("resolve"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("update", &known), Some("update_every"));
        assert_eq!(nearest("", &known), None);
    }
}
