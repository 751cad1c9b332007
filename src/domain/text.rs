//! The one choke point where foreign text (names, metadata, ffmpeg's log) becomes text that may be shown.
//!
//! After it no text can move the cursor, change a title, reorder a line or break a table.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serializer};

/// Longest line kept of a log, in bytes; the rest is counted.
pub const MAX_LINE_BYTES: usize = 4096;
/// Combining marks kept on one base character.
const MAX_COMBINING: usize = 4;

/// Makes any bytes safe to show on one line: control characters become pictures (`␛`), C1, format and bidi
/// characters `<U+XXXX>`, bytes that are no UTF-8 `\xNN`, a tab four spaces, at most four combining marks stay.
/// Cut at [`MAX_LINE_BYTES`], with the number of bytes left out named.
pub fn sanitise(bytes: &[u8]) -> String {
    let (kept, left_out) = if bytes.len() > MAX_LINE_BYTES {
        let mut cut = MAX_LINE_BYTES;
        while cut > MAX_LINE_BYTES - 4 && bytes[cut] & 0xC0 == 0x80 {
            cut -= 1;
        }
        (&bytes[..cut], bytes.len() - cut)
    } else {
        (bytes, 0)
    };
    let mut text = clean(kept, "    ");
    if left_out > 0 {
        let _ = write!(text, " … (+{left_out} bytes)");
    }
    text
}

/// Text that is passed on and not shown, on one line: line breaks become blanks, other control characters go, and everything
/// else stays as it is. Joiners and direction marks are part of a title in many languages, and of many emoji.
pub fn one_line(text: &str) -> String {
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\t' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let parts = text.split(is_break).map(|part| part.replace(char::is_control, "")).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// A path for screens, logs and JSON: as [`sanitise`], but never cut, and a tab stays one character.
pub fn path_text(path: &Path) -> String {
    clean(path.as_os_str().as_bytes(), "␉")
}

/// Paths for a sentence: the first few, and how many more.
pub fn paths_text<P: AsRef<Path>>(paths: &[P]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path_text(path.as_ref())).collect();
    shown.extend(paths.len().checked_sub(SHOWN).filter(|more| *more > 0).map(|more| format!("{more} more")));
    shown.join(", ")
}

/// `1 job`, `3 jobs`: a number with its noun, given in the singular.
pub fn many(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How much is done of something, 0 to 1, in whole percent that are passed: 100 is told of nothing that is still at work on its
/// last part.
pub fn percent(ratio: f64) -> u32 {
    // A number that was kept in short lies a little beside the one that was meant.
    let passed = (ratio.clamp(0.0, 1.0) * 100.0 + 1e-5) as u32;
    if ratio < 1.0 { passed.min(99) } else { passed }
}

/// The last component of a path, for tables; the whole path where there is none.
pub fn file_name_text(path: &Path) -> String {
    path.file_name().map_or_else(|| path_text(path), |name| path_text(Path::new(name)))
}

fn clean(bytes: &[u8], tab: &str) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut marks = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_combining(c) {
                marks += 1;
                if marks <= MAX_COMBINING {
                    out.push(c);
                }
                continue;
            }
            marks = 0;
            match c {
                '\t' => out.push_str(tab),
                '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}')),
                '\x7f' => out.push('\u{2421}'),
                _ if is_unsafe(c) => {
                    let _ = write!(out, "<U+{:04X}>", c as u32);
                }
                _ => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// C1 controls, format characters, bidi controls, line separators, tags, private use of terminals.
fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The blocks of combining marks that stack on a base character, and variation selectors.
fn is_combining(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
        | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// An error of the system in words: without Rust's `(os error N)`, beginning small, as it stands within a sentence.
pub fn error_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get(..1).map(str::to_ascii_lowercase) {
        text.replace_range(..1, &first);
    }
    text
}

/// Serde form of a path: its shown text. A path read back from text names the same file only if it was plain.
pub mod as_text {
    use super::{Deserialize, Deserializer, Path, PathBuf, Serializer, path_text};

    /// Writes the path as [`path_text`].
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&path_text(path))
    }

    /// Reads the text as a path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        String::deserialize(deserializer).map(PathBuf::from)
    }
}

/// As [`as_text`], for a path that may be missing.
pub mod as_text_option {
    use super::{Deserialize, Deserializer, PathBuf, Serializer, path_text};

    /// Writes the path as [`path_text`], or null.
    #[allow(clippy::ref_option)] // the signature serde's `with` asks for
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => serializer.serialize_some(&path_text(path)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the text as a path, if there is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(PathBuf::from))
    }
}

/// Serde form of foreign text that is kept as it came: written as [`sanitise`] shows it, and cut. A film may have a thousand
/// tracks, each with a title, and all of them go into one line of the socket.
pub mod as_shown {
    use super::{Serializer, sanitise};

    /// Longest text, in bytes as it is written.
    const LONGEST: usize = 400;

    fn shown(text: &str) -> String {
        let mut shown = sanitise(text.as_bytes());
        if shown.len() > LONGEST {
            shown.truncate(shown.floor_char_boundary(LONGEST));
            shown.push('…');
        }
        shown
    }

    /// Writes the text as it is shown, or null.
    #[allow(clippy::ref_option)] // the signature serde's `with` asks for
    pub fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => serializer.serialize_some(&shown(text)),
            None => serializer.serialize_none(),
        }
    }

    /// The same for the values of a map.
    pub mod map {
        use std::collections::BTreeMap;

        use super::{Serializer, shown};

        /// Writes each value as it is shown.
        pub fn serialize<S: Serializer>(texts: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(texts.iter().map(|(name, text)| (name, shown(text))))
        }
    }
}

/// A path as text that can be turned back: UTF-8 stays as it is, a byte that is none becomes `\xNN`, a backslash `\\`.
pub fn exact_text(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The path that [`exact_text`] has written. Fails at a backslash with anything else behind it, and says what is allowed.
pub fn exact_path(text: &str) -> Result<PathBuf, String> {
    let wrong = || {
        let shown = sanitise(text.as_bytes());
        format!("`{shown}` is no path: a backslash in it is written \\\\, and a byte that is no UTF-8 \\xNN")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let digits = after.strip_prefix('x').and_then(|after| after.get(..2)).filter(|digits| {
                // `from_str_radix` would take a sign too.
                digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            });
            bytes.push(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?);
            rest = &after[3..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// Serde form of a path that names the same file after it was read back: [`exact_text`].
pub mod as_exact {
    use super::{Deserialize, Deserializer, Path, PathBuf, Serializer, exact_path, exact_text};

    /// Writes the path as [`exact_text`].
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&exact_text(path))
    }

    /// Reads the path that [`exact_text`] has written.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        exact_path(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// As [`as_exact`], for a path that may be missing.
pub mod as_exact_option {
    use super::{Deserialize, Deserializer, PathBuf, Serializer, exact_path, exact_text};

    /// Writes the path as [`exact_text`], or null.
    #[allow(clippy::ref_option)] // the signature serde's `with` asks for
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => serializer.serialize_some(&exact_text(path)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the path that [`exact_text`] has written, if there is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| exact_path(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

/// As [`as_exact`], for several paths.
pub mod as_exact_list {
    use super::{Deserialize, Deserializer, PathBuf, Serializer, exact_path, exact_text};

    /// Writes each path as [`exact_text`].
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| exact_text(path)))
    }

    /// Reads the paths that [`exact_text`] has written.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| exact_path(text)).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_written_as_it_is_shown_and_not_at_any_length() {
        #[derive(serde::Serialize)]
        struct Track {
            #[serde(serialize_with = "as_shown::serialize")]
            title: Option<String>,
        }
        let written = |title: &str| serde_json::to_string(&Track { title: Some(title.to_owned()) }).expect("JSON");
        assert_eq!(written("Bonus \u{202e}"), r#"{"title":"Bonus <U+202E>"}"#);
        let long = written(&"\u{ad}".repeat(4096));
        assert!(long.len() < 420 && long.ends_with("…\"}"), "{} bytes: {long}", long.len());
    }

    #[test]
    fn a_hundred_percent_is_told_of_what_is_done_and_of_nothing_before() {
        for (ratio, told) in
            [(0.0, 0), (0.004, 0), (0.29, 29), (0.63, 63), (0.996, 99), (0.999_999_999, 99), (1.0, 100), (1.7, 100)]
        {
            assert_eq!(percent(ratio), told, "{ratio}");
        }
        assert_eq!(percent(f64::from(0.63_f32)), 63, "a number that was kept in short is not told as one less");
        assert_eq!((percent(-0.5), percent(f64::NAN)), (0, 0));
    }

    #[test]
    fn control_characters_become_pictures_and_cannot_reach_a_terminal() {
        assert_eq!(sanitise(b"a\x1b[31mb\x07\x00\x7f"), "a␛[31mb␇␀␡");
        assert_eq!(sanitise("\u{9b}31m".as_bytes()), "<U+009B>31m");
        assert_eq!(sanitise("a\u{202e}b\u{200b}".as_bytes()), "a<U+202E>b<U+200B>");
        assert_eq!(sanitise(b"a\tb"), "a    b");
    }

    #[test]
    fn what_is_passed_on_keeps_all_but_control_characters_and_stands_on_one_line() {
        for kept in
            ["\u{1f468}\u{200d}\u{1f469}", "\u{645}\u{6cc}\u{200c}\u{62e}", "co\u{ad}op", "\u{feff}x", "\u{200f}\u{5d0}", ""]
        {
            assert_eq!(one_line(kept), kept);
        }
        assert_eq!(one_line("a\r\nb\tc\u{2028}\u{2029}d\n"), "a b c d");
        assert_eq!(one_line("\u{1b}]0;owned\u{7}\u{9b}2J\u{7f}"), "]0;owned2J");
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_written_as_hex() {
        assert_eq!(sanitise(b"caf\xe9.mp4"), "caf\\xE9.mp4");
        assert_eq!(path_text(Path::new(std::ffi::OsStr::from_bytes(b"/v/a\nb\xff"))), "/v/a␊b\\xFF");
    }

    #[test]
    fn long_lines_are_cut_on_a_character_and_the_rest_is_counted() {
        let line = "é".repeat(MAX_LINE_BYTES);
        let text = sanitise(line.as_bytes());
        assert!(text.len() < MAX_LINE_BYTES + 40, "{}", text.len());
        assert!(text.ends_with("… (+4096 bytes)"), "{}", &text[text.len() - 40..]);
        assert!(!text.contains("\\x"));
    }

    #[test]
    fn stacked_combining_marks_are_limited() {
        let tower = format!("a{}", "\u{301}".repeat(50));
        assert_eq!(sanitise(tower.as_bytes()).chars().count(), 5);
    }

    #[test]
    fn exact_text_names_the_same_file_whatever_its_name() {
        for name in [
            &b"/v/a b.mp4"[..],
            b"/v/caf\xe9.mp4",
            b"/v/a\\xE9.mp4",
            b"/v/\\",
            b"/v/\\\\x",
            b"a\n\x1b\xff\\",
            "/v/caf\u{e9}".as_bytes(),
            b"",
        ] {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            assert_eq!(exact_path(&exact_text(path)).as_deref(), Ok(path), "{}", exact_text(path));
        }
        assert_eq!(exact_text(Path::new(std::ffi::OsStr::from_bytes(b"\\\xe9"))), r"\\\xE9");
    }

    #[test]
    fn a_backslash_that_stands_for_nothing_is_refused() {
        for text in [r"a\b", r"a\", r"\x", r"\x1", r"\xZZ", r"\x+1", "\\x1é"] {
            assert!(exact_path(text).is_err_and(|why| why.contains("backslash")), "{text}");
        }
    }
}
