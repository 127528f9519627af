//! What somebody may have meant who wrote a name that there is not.

use strsim::damerau_levenshtein;

/// Names that are told at most.
const MOST: usize = 3;

/// Those of the known names that are a slip of the pen away, the nearest first.
pub fn near<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    // A third of it may be wrong, or it is another word.
    let most = (written.chars().count() / 3).max(1);
    // Distances to what is much longer need not be counted: names may be as long as a client likes.
    let comparable = |name: &&str| name.len().abs_diff(written.len()) <= 4 * most && written.len() <= 256;
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter(comparable)
        .map(|name| (damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// As it follows `there is no plugin X`; nothing where nothing is near.
pub fn but(near: &[String]) -> String {
    let names: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(", but {}", names.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_and_no_others() {
        let known = ["calculator", "openai", "openai-eu", "http-json", "splunk"];
        let table: [(&str, &[&str]); 8] = [
            ("calculatr", &["calculator"]),
            ("caluclator", &["calculator"]),
            ("opnai", &["openai"]),
            ("openai-e", &["openai-eu", "openai"]),
            ("json-http", &[]),
            ("nobody", &[]),
            ("x", &[]),
            ("", &[]),
        ];
        for (written, expected) in table {
            assert_eq!(near(written, known), expected, "{written}");
        }
        assert_eq!(near(&"a".repeat(1 << 20), known), [""; 0]);
        assert_eq!(but(&near("openai-e", known)), ", but `openai-eu` and `openai`");
    }
}
