//! "Did you mean": the known word that a misspelt one is nearest to.

/// The word of `known` that `wanted` most likely stands for; `None` when none is near.
///
/// Near = at most a third of its letters (at least one) inserted, left out, changed or swapped with a neighbour.
pub(crate) fn nearest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let fold = |text: &str| -> String { text.chars().take(40).map(|c| c.to_ascii_lowercase()).collect() };
    let from = fold(wanted);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&from, &fold(word)), word))
        .filter(|(steps, word)| *steps <= (word.chars().count() / 3).max(1))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_that_was_meant() {
        let known = ["max_concurrent", "max_file_size", "memory", "env"];
        for (wanted, meant) in [
            ("max_concurent", Some("max_concurrent")),
            ("memroy", Some("memory")),
            ("maxConcurrent", Some("max_concurrent")),
            ("evn", Some("env")),
            ("colour_of_the_sky", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, known), meant, "{wanted}");
        }
    }
}
