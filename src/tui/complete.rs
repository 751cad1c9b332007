//! Paths as they are typed: words and quotes as a shell has them, `~`, and completion from the file system.
//!
//! The only module of this floor that looks at folders.

use std::path::{Path, PathBuf};

/// Names offered at most.
const OFFERS: usize = 50;
/// Entries of a folder looked at, so that a huge one cannot hold up the keys.
const LOOKED_AT: usize = 20_000;

/// Where relative paths and `~` lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The folder that relative paths start from.
    pub cwd: PathBuf,
    /// The operator's own folder, for `~`.
    pub home: Option<PathBuf>,
}

/// A completed line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The line that was asked for.
    pub asked: String,
    /// The line with all added that is certain.
    pub line: String,
    /// The names that the next letter chooses from; empty when only one fits.
    pub offers: Vec<String>,
}

/// Splits a line into paths: blanks part, quotes and `\` keep together.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(chars.next().unwrap_or('\\')),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("the quote {quote} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// The absolute path that a word means.
pub fn absolute(word: &str, places: &Places) -> PathBuf {
    match (word.strip_prefix('~'), &places.home) {
        (Some(""), Some(home)) => home.clone(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => places.cwd.join(word),
    }
}

/// Completes the path at the end of `line`.
pub fn complete(line: &str, places: &Places) -> Completion {
    let start = last_word(line);
    let typed = words(&line[start..]).ok().and_then(|words| words.into_iter().next_back()).unwrap_or_default();
    let (folder, stem) = typed.rfind('/').map_or(("", typed.as_str()), |slash| typed.split_at(slash + 1));
    let names = entries(&if folder.is_empty() { places.cwd.clone() } else { absolute(folder, places) }, stem);
    let unchanged = Completion { asked: line.to_owned(), line: line.to_owned(), offers: Vec::new() };
    let Some(first) = names.first() else { return unchanged };
    let common = names.iter().skip(1).fold(first.as_str(), |common, name| {
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        &common[..same]
    });
    let done = names.len() == 1 && !common.ends_with('/');
    let line = format!("{}{}{}{}", &line[..start], escape(folder), escape(common), if done { " " } else { "" });
    Completion { line, offers: if names.len() > 1 { names.into_iter().take(OFFERS).collect() } else { Vec::new() }, ..unchanged }
}

/// Names in `folder` that begin with `stem`; folders end in `/`.
fn entries(folder: &Path, stem: &str) -> Vec<String> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = found
        .take(LOOKED_AT)
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let fits =
                name.starts_with(stem) && (stem.starts_with('.') || !name.starts_with('.')) && !name.contains(char::is_control);
            fits.then(|| if entry.path().is_dir() { name + "/" } else { name })
        })
        .collect();
    names.sort();
    names
}

/// Where the last word of a line begins.
fn last_word(line: &str) -> usize {
    let (mut start, mut quote, mut skip) = (0, None, false);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if skip => skip = false,
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => skip = true,
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => start = at + c.len_utf8(),
            _ => {}
        }
    }
    start
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_whitespace() || matches!(c, '\\' | '\'' | '"') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would() {
        assert_eq!(words(r#"a 'b c' d\ e "f \"g" "#), Ok(["a", "b c", "d e", "f \"g"].map(String::from).to_vec()));
        assert_eq!(words("  "), Ok(vec![]));
        assert!(words("'a b").is_err());
    }

    #[test]
    fn tab_adds_what_is_certain_and_offers_the_rest() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["cam one.mp4", "cam two.mp4", ".hidden"] {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        std::fs::create_dir(dir.path().join("more")).expect("a folder");
        let places = Places { cwd: dir.path().to_owned(), home: Some(dir.path().to_owned()) };
        let both = complete("x.mp4 ca", &places);
        assert_eq!(both.line, r"x.mp4 cam\ ");
        assert_eq!(both.offers, ["cam one.mp4", "cam two.mp4"]);
        assert_eq!(complete(r"cam\ o", &places).line, r"cam\ one.mp4 ");
        assert_eq!(complete("~/mo", &places).line, "~/more/");
        assert_eq!(complete("nothing", &places).line, "nothing");
        assert_eq!(complete("", &places).offers.len(), 3);
        assert_eq!(words(&complete(r"cam\ t", &places).line), Ok(vec!["cam two.mp4".to_owned()]));
    }

    #[test]
    fn a_tilde_leads_home_and_a_relative_path_starts_where_plimsoll_did() {
        let places = Places { cwd: "/work".into(), home: Some("/home/me".into()) };
        assert_eq!(absolute("~/v", &places), Path::new("/home/me/v"));
        assert_eq!(absolute("v", &places), Path::new("/work/v"));
        assert_eq!(absolute("/v", &places), Path::new("/v"));
    }
}
