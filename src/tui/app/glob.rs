//! Patterns of names as a shell has them: `*`, `?`, `[a-z]`, `[!a]`, in any part of a path.

use std::path::{Component, Path, PathBuf};

/// Entries of a folder looked at, so that a huge one cannot hold up the keys.
const LOOKED_AT: usize = 20_000;
/// Paths that one pattern may stand for.
const MOST: usize = 5_000;

/// The paths that there are for a pattern, in the order of their names.
///
/// # Errors
/// That there is none, or more than anybody means.
pub fn matching(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let Component::Normal(name) = part else {
            for path in &mut found {
                path.push(part);
            }
            continue;
        };
        let wanted: Vec<char> = name.to_string_lossy().chars().collect();
        if !wanted.iter().any(|c| "*?[".contains(*c)) {
            for path in &mut found {
                path.push(name);
            }
            found.retain(|path| std::fs::symlink_metadata(path).is_ok());
            continue;
        }
        let mut next = Vec::new();
        for folder in &found {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries.take(LOOKED_AT).flatten() {
                let name: Vec<char> = entry.file_name().to_string_lossy().chars().collect();
                let is_hidden = name.first() == Some(&'.') && wanted.first() != Some(&'.');
                if !is_hidden && fits(&wanted, &name) {
                    next.push(entry.path());
                }
            }
        }
        if next.len() > MOST {
            return Err(format!("more than {MOST} names fit; give the folder instead"));
        }
        found = next;
    }
    found.sort();
    if found.is_empty() { Err("no file is called like that".to_owned()) } else { Ok(found) }
}

/// The name fits the pattern. Goes back to the last `*` at most, so that no pattern takes long.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, from));
            at += 1;
        } else if let Some(next) = step(pattern, at, name[from]) {
            (at, from) = (next, from + 1);
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (at, from) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on behind one character; `None` = it does not fit.
fn step(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => {
            let rest = &pattern[at + 1..];
            let is_not = matches!(rest.first(), Some('!' | '^'));
            let start = usize::from(is_not);
            // A bracket that comes first is one of the characters.
            let end = rest.iter().skip(start + 1).position(|c| *c == ']').map(|end| end + start + 1);
            let Some(end) = end else { return (c == '[').then_some(at + 1) };
            let set = &rest[start..end];
            let mut is_in = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == '-' {
                    is_in |= (set[i]..=set[i + 2]).contains(&c);
                    i += 3;
                } else {
                    is_in |= set[i] == c;
                    i += 1;
                }
            }
            (is_in != is_not).then_some(at + end + 2)
        }
        other => (*other == c).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(pattern: &str, name: &str) -> bool {
        fits(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
    }

    #[test]
    fn stars_question_marks_and_sets_fit_as_in_a_shell() {
        for (pattern, name) in
            [("*", "x"), ("*.mkv", "a.b.mkv"), ("a*b*c", "axxbyybzc"), ("[a-c]?", "bz"), ("[]]", "]"), ("[!a]", "b"), ("[", "[")]
        {
            assert!(fit(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.mkv", "a.mk"), ("?", ""), ("[a-c]", "d"), ("[!a]", "a"), ("a*b", "ac")] {
            assert!(!fit(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_and_any_name_come_to_an_end(pattern in "[*?\\[\\]!a-c-]{0,20}", name in "[a-c\\[\\]]{0,40}") {
            fit(&pattern, &name);
            prop_assert!(fit("*", &name));
        }
    }
}
