//! "Did you mean": the known word that a misspelt one is nearest to.

/// The word of `known` that `wanted` most likely stands for; `None` when none is near.
///
/// Near = at most a third of its letters (at least one) inserted, left out, changed or swapped with a neighbour.
pub(crate) fn nearest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let fold = |text: &str| -> Vec<char> { text.chars().take(40).map(|c| c.to_ascii_lowercase()).collect() };
    let from = fold(wanted);
    known
        .into_iter()
        .map(|word| (distance(&from, &fold(word)), word))
        .filter(|(steps, word)| *steps <= (word.chars().count() / 3).max(1))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, word)| word)
}

/// Optimal string alignment distance: insert, leave out, change, or swap two neighbours.
fn distance(from: &[char], to: &[char]) -> usize {
    let width = to.len() + 1;
    let mut rows = vec![0_usize; (from.len() + 1) * width];
    for i in 0..=from.len() {
        for j in 0..width {
            let cell = |i: usize, j: usize| rows[i * width + j];
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = cell(i - 1, j - 1) + usize::from(from[i - 1] != to[j - 1]);
                let mut best = change.min(cell(i - 1, j) + 1).min(cell(i, j - 1) + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(cell(i - 2, j - 2) + 1);
                }
                best
            };
        }
    }
    rows[from.len() * width + to.len()]
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
