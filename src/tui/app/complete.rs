//! Paths as they are typed: words and quotes as a shell has them, `~`, and completion from the file system.
//!
//! With `glob`, the only module of this floor that looks at folders.

use std::path::{Path, PathBuf};

use crate::runtime::link::Completion;

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
    /// They are on another machine: what stands there is not seen from here.
    pub is_elsewhere: bool,
}

impl Places {
    /// Those of this process.
    pub fn here() -> Self {
        let cwd = std::env::current_dir().unwrap_or_default();
        Self { cwd, home: std::env::var_os("HOME").map(PathBuf::from), is_elsewhere: false }
    }
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
    let word: &str = &at_home(word);
    match (word.strip_prefix('~'), &places.home) {
        (Some(""), Some(home)) => home.clone(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => places.cwd.join(word),
    }
}

/// `$HOME` as `~`, which it means where a path is typed.
fn at_home(word: &str) -> std::borrow::Cow<'_, str> {
    let rest = word.strip_prefix("$HOME").or_else(|| word.strip_prefix("${HOME}"));
    match rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        Some(rest) => format!("~{rest}").into(),
        None => word.into(),
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

/// The paths that a typed line names. One that stands there as a whole is one path, blanks and quotes included. Names on another
/// machine are taken as they stand: what fits a pattern there is not known here.
pub fn typed(line: &str, places: &Places) -> Result<Vec<PathBuf>, String> {
    let whole = line.trim();
    if whole.contains(char::is_whitespace) && is_there(whole, places) {
        return Ok(vec![absolute(whole, places)]);
    }
    let mut paths = Vec::new();
    for word in words(line)? {
        let word = if word.starts_with(FILE_URL) { of_address(&word) } else { word };
        if word.contains(['*', '?', '[']) && !places.is_elsewhere && !is_there(&word, places) {
            paths.extend(crate::tui::app::glob::matching(&absolute(&word, places)).map_err(|why| format!("{word}: {why}"))?);
        } else {
            paths.push(absolute(&word, places));
        }
    }
    Ok(paths)
}

/// What was pasted or dropped, as paths: each line is one, also with blanks, unless it is quoted or escaped as terminals
/// write what is dropped, or lists several that each begin at the root. Addresses of files are decoded.
pub fn pasted(text: &str, places: &Places) -> Vec<String> {
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
    // Lists of addresses have comments.
    let is_list = lines.iter().any(|line| line.trim_start().starts_with(FILE_URL));
    let paths = lines.into_iter().filter(|line| !(is_list && line.starts_with('#')));
    paths.enumerate().flat_map(|(at, line)| pasted_line(line, places, at < LINES_LOOKED_AT)).collect()
}

/// It may be meant as paths: a line of it begins as paths do, or stands there.
pub fn looks_like_paths(text: &str, places: &Places) -> bool {
    let begins = |line: &str| {
        let line = line.trim_start().trim_start_matches(['\'', '"']);
        line.starts_with(FILE_URL) || ["/", "~/", "./", "../"].iter().any(|start| line.starts_with(start))
    };
    let lines = || text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).take(LINES_LOOKED_AT);
    lines().any(|line| begins(line) || is_there(line, places))
}

/// Lines of a paste that are looked for on disk, so that a huge one cannot hold up the keys.
const LINES_LOOKED_AT: usize = 200;
const FILE_URL: &str = "file://";

/// One line of a paste; `looks` = what stands on disk decides, else its form alone.
fn pasted_line(line: &str, places: &Places, looks: bool) -> Vec<String> {
    let whole = line.trim();
    let parts: Vec<&str> = whole.split_whitespace().collect();
    if parts.iter().all(|part| part.starts_with(FILE_URL)) {
        return parts.into_iter().map(of_address).collect();
    }
    if looks && is_there(line, places) {
        return vec![line.to_owned()];
    }
    if looks && is_there(whole, places) {
        return vec![whole.to_owned()];
    }
    let is_escaped = whole.contains(['\\', '\'', '"']);
    if let (true, Ok(words)) = (is_escaped, words(whole)) {
        let of_words = |word: String| if word.starts_with(FILE_URL) { of_address(&word) } else { word };
        return words.into_iter().map(of_words).collect();
    }
    let begins = |part: &&str| part.starts_with('/') || part.starts_with("~/") || part.starts_with(FILE_URL);
    if parts.iter().all(begins) {
        let of_part = |part: &str| if part.starts_with(FILE_URL) { of_address(part) } else { part.to_owned() };
        return parts.into_iter().map(of_part).collect();
    }
    vec![whole.to_owned()]
}

/// The path of a `file://` address: without the name of a machine, `%20` and the like decoded.
fn of_address(address: &str) -> String {
    let rest = address.strip_prefix(FILE_URL).unwrap_or(address);
    let path = rest.find('/').map_or(rest, |slash| &rest[slash..]);
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let [first, left @ ..] = rest {
        let code = left.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let decoded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &left[2..] } else { left };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_there(path: &str, places: &Places) -> bool {
    !places.is_elsewhere && std::fs::symlink_metadata(absolute(path, places)).is_ok()
}

/// A line that names these paths.
pub fn line_of(paths: &[String]) -> String {
    paths.iter().map(|path| escape(path)).collect::<Vec<_>>().join(" ")
}

/// A quote is open at the end of this.
pub fn in_quotes(line: &str) -> bool {
    words(line).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_addresses_and_home_are_understood_where_a_path_is_typed() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a 1.mkv", "a2.mkv", "b.mp4", ".hidden.mkv", "odd[1].mkv"] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        std::fs::create_dir(dir.path().join("sub")).expect("made");
        std::fs::write(dir.path().join("sub/c.mkv"), "").expect("written");
        let places = Places { cwd: dir.path().into(), home: Some(dir.path().join("sub")), is_elsewhere: false };
        let names = |line: &str| -> Result<Vec<String>, String> {
            let paths = typed(line, &places)?;
            Ok(paths.iter().map(|path| path.strip_prefix(dir.path()).expect("below it").display().to_string()).collect())
        };
        assert_eq!(names("*.mkv"), Ok(["a 1.mkv", "a2.mkv", "odd[1].mkv"].map(String::from).to_vec()), "hidden ones are left out");
        assert_eq!(names("a?.mkv b.*"), Ok(["a2.mkv", "b.mp4"].map(String::from).to_vec()));
        assert_eq!(names("[!a]*.mp4"), Ok(vec!["b.mp4".to_owned()]));
        assert_eq!(names("*/*.mkv $HOME/c.mkv ~/c.mkv"), Ok(vec!["sub/c.mkv".to_owned(); 3]));
        assert_eq!(names("odd[1].mkv"), Ok(vec!["odd[1].mkv".to_owned()]), "what stands there is meant as it is");
        assert_eq!(names(&format!("file://{}/a%201.mkv", dir.path().display())), Ok(vec!["a 1.mkv".to_owned()]));
        assert_eq!(names("*.avi"), Err("*.avi: no file is called like that".to_owned()));
    }

    #[test]
    fn names_on_another_machine_are_taken_as_they_stand_whatever_stands_here() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["a.mkv", "My film.mkv", "1 - x.mkv"] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let places = Places { cwd: dir.path().into(), home: None, is_elsewhere: true };
        let at = |name: &str| dir.path().join(name);
        assert_eq!(typed("[Grp]\\ Show\\ -\\ 01.mkv", &places), Ok(vec![at("[Grp] Show - 01.mkv")]));
        assert_eq!(typed("*.mkv", &places), Ok(vec![at("*.mkv")]));
        assert_eq!(typed("My film.mkv", &places), Ok(vec![at("My"), at("film.mkv")]));
        assert!(!looks_like_paths("a.mkv", &places));
        assert_eq!(pasted("/v/[Grp] Show - 01.mkv", &places), ["/v/[Grp] Show - 01.mkv"]);
    }

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
        let places = Places { cwd: dir.path().to_owned(), home: Some(dir.path().to_owned()), is_elsewhere: false };
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
        let places = Places { cwd: "/work".into(), home: Some("/home/me".into()), is_elsewhere: false };
        assert_eq!(absolute("~/v", &places), Path::new("/home/me/v"));
        assert_eq!(absolute("v", &places), Path::new("/work/v"));
        assert_eq!(absolute("/v", &places), Path::new("/v"));
    }

    /// A folder with a file of each of these names, and where paths lead from there.
    fn yard(names: &[&str]) -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().expect("a folder");
        for name in names {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        let places = Places { cwd: dir.path().to_owned(), home: Some(dir.path().to_owned()), is_elsewhere: false };
        (dir, places)
    }

    #[test]
    fn a_pasted_path_with_blanks_is_one_path_and_several_lines_are_several() {
        let (dir, places) = yard(&["My holiday film.mp4", "Don't look up.mp4", "'Allo 'Allo.mp4", "a.mp4"]);
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        let one = |text: &str, path: &str| assert_eq!(pasted(text, &places), [path], "{text:?}");
        one(&at("My holiday film.mp4"), &at("My holiday film.mp4"));
        one("My holiday film.mp4", "My holiday film.mp4");
        one("/nowhere/My gone film.mp4 ", "/nowhere/My gone film.mp4");
        one("~/My holiday film.mp4", "~/My holiday film.mp4");
        one(&at("Don't look up.mp4"), &at("Don't look up.mp4"));
        one("/nowhere/Don't look up.mp4", "/nowhere/Don't look up.mp4");
        one(&at("'Allo 'Allo.mp4"), &at("'Allo 'Allo.mp4"));
        let several = format!("{}\r\n\n{}\n", at("My holiday film.mp4"), at("a.mp4"));
        assert_eq!(pasted(&several, &places), [at("My holiday film.mp4"), at("a.mp4")]);
    }

    #[test]
    fn what_terminals_drop_is_read_quoted_escaped_or_as_addresses() {
        let (_dir, places) = yard(&[]);
        for text in [
            "'/v/my film.mp4' '/v/b.mp4' ",
            r"/v/my\ film.mp4 /v/b.mp4 ",
            "\"/v/my film.mp4\" /v/b.mp4",
            "file:///v/my%20film.mp4\r\nfile:///v/b.mp4\r\n",
            "file:///v/my%20film.mp4 file://localhost/v/b.mp4",
            "# copied\nfile:///v/my%20film.mp4\nfile:///v/b.mp4",
            "'file:///v/my%20film.mp4' /v/b.mp4",
        ] {
            assert_eq!(pasted(text, &places), ["/v/my film.mp4", "/v/b.mp4"], "{text:?}");
        }
        assert_eq!(pasted("/v/a.mp4 ~/b.mp4", &places), ["/v/a.mp4", "~/b.mp4"]);
        assert_eq!(pasted("file:///v/100%25%20%C3%A9%zz.mp4", &places), ["/v/100% é%zz.mp4"]);
    }

    #[test]
    fn what_was_pasted_comes_back_out_of_the_line_that_it_becomes() {
        let (_dir, places) = yard(&[]);
        for path in ["/v/my film.mp4", "/v/it's \"here\".mp4", r"/v/back\slash x.mp4", "/v/日本 語.mp4"] {
            let line = line_of(&[path.to_owned(), "/b".to_owned()]);
            assert_eq!(typed(&line, &places), Ok(vec![path.into(), "/b".into()]), "{line}");
        }
    }

    #[test]
    fn a_typed_line_that_stands_there_as_a_whole_is_one_path() {
        let (dir, places) = yard(&["My holiday film.mp4"]);
        assert_eq!(typed("My holiday film.mp4 ", &places), Ok(vec![dir.path().join("My holiday film.mp4")]));
        assert_eq!(typed("My other film.mp4", &places).map(|paths| paths.len()), Ok(3));
    }

    #[test]
    fn only_what_may_be_paths_looks_like_paths() {
        let (_dir, places) = yard(&["film.mp4"]);
        for text in ["/v/a.mp4", " '/v/a b.mp4'", "file:///v", "~/v", "./v", "../v", "film.mp4", "some\n/v/a.mp4"] {
            assert!(looks_like_paths(text, &places), "{text:?}");
        }
        for text in ["", "q", "qyxCA S\nq\n", "rm -rf x", "http://example.org/a.mp4", "other.mp4"] {
            assert!(!looks_like_paths(text, &places), "{text:?}");
        }
    }
}
