//! Where profiles and presets lie, and which of several of one name is meant.
//!
//! The operator's own come first, then those of the folder that plimsoll was started in, then those that a package has installed
//! beside the program, then the compiled-in ones. Reads no environment by itself: the folders are handed in.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::read::is_file_name;
use super::spell::nearest;
use super::yaml::{ConfigError, MAX_FILE, quoted, read_text};
use super::{preset, profile};
use crate::domain::places::xdg_folder;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::domain::text::path_text;

/// The folders that are searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPaths {
    /// plimsoll's folder of settings; `None` where there is no home.
    pub config_dir: Option<PathBuf>,
    /// The folder that plimsoll was started in; `None` = not searched.
    pub work_dir: Option<PathBuf>,
    /// What was installed with the program, `/usr/share/plimsoll` for `/usr/bin/plimsoll`; `None` = not searched.
    pub share_dir: Option<PathBuf>,
}

impl SearchPaths {
    /// The folders by the XDG rules: `$XDG_CONFIG_HOME/plimsoll`, else `$HOME/.config/plimsoll`.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>, work_dir: Option<PathBuf>) -> Self {
        Self { config_dir: xdg_folder(variable, "XDG_CONFIG_HOME", ".config"), work_dir, share_dir: None }
    }

    /// With the folder that belongs to a program by its place: `../share/plimsoll` beside a `bin`. A program that lies elsewhere,
    /// as one that was just compiled, has none: it never takes what another version has installed.
    #[must_use]
    pub fn of_program(mut self, program: &Path) -> Self {
        let bin = program.parent().filter(|folder| folder.ends_with("bin"));
        self.share_dir = bin.and_then(Path::parent).map(|prefix| prefix.join("share/plimsoll"));
        self
    }

    /// The settings file, whether it is there or not.
    pub fn settings_file(&self) -> Option<PathBuf> {
        self.config_dir.as_ref().map(|folder| folder.join("settings.yaml"))
    }

    /// The folders of one kind, first match first.
    fn folders(&self, kind: &str) -> Vec<PathBuf> {
        [&self.config_dir, &self.work_dir, &self.share_dir].into_iter().flatten().map(|folder| folder.join(kind)).collect()
    }
}

/// Where a profile or preset comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    /// Compiled in.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&path_text(path)),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// What a profile or preset was found to be, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The name that finds it.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What was read, or every mistake in it.
    pub read: Result<T, Vec<ConfigError>>,
    /// Others of the same name that it hides, nearest first.
    pub shadows: Vec<Origin>,
}

/// Why a profile or preset could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Nothing of that name.
    #[error("{}", unknown_text(noun, wanted, known))]
    Unknown {
        /// `profile` or `preset`.
        noun: &'static str,
        /// The name that was asked for, safe to show.
        wanted: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// It is there, and wrong.
    #[error("{}", lines(.0))]
    Broken(Vec<ConfigError>),
}

fn unknown_text(noun: &str, wanted: &str, known: &[String]) -> String {
    let meant =
        nearest(wanted, known.iter().map(String::as_str)).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    format!(
        "no {noun} is called `{wanted}`{meant}; there are {}; a file is named with a slash or its ending, as ./{wanted}.yaml",
        known.join(", ")
    )
}

/// Mistakes one a line.
pub fn lines(mistakes: &[ConfigError]) -> String {
    mistakes.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("\n")
}

/// What profiles and presets have in common.
pub trait Kind: Sized {
    /// What one is called.
    const NOUN: &'static str;
    /// The folder they lie in.
    const FOLDER: &'static str;
    /// The compiled-in ones: name and text.
    const BUILT_IN: &'static [(&'static str, &'static str)];

    /// Reads one.
    ///
    /// # Errors
    /// Every mistake in it.
    fn parse(file: &Path, text: &str) -> Result<Self, Vec<ConfigError>>;

    fn name(&self) -> &str;
}

impl Kind for Profile {
    const NOUN: &'static str = "profile";
    const FOLDER: &'static str = "profiles";
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("fast", include_str!("../../profiles/fast.yaml")),
        ("balanced", include_str!("../../profiles/balanced.yaml")),
        ("safe", include_str!("../../profiles/safe.yaml")),
        ("adaptive", include_str!("../../profiles/adaptive.yaml")),
    ];

    fn parse(file: &Path, text: &str) -> Result<Self, Vec<ConfigError>> {
        profile::parse(file, text)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Kind for Preset {
    const NOUN: &'static str = "preset";
    const FOLDER: &'static str = "presets";
    const BUILT_IN: &'static [(&'static str, &'static str)] = &[
        ("web-720p", include_str!("../../presets/web-720p.yaml")),
        ("proxy-480p", include_str!("../../presets/proxy-480p.yaml")),
        ("audio-m4a", include_str!("../../presets/audio-m4a.yaml")),
        ("thumbnails", include_str!("../../presets/thumbnails.yaml")),
        ("h264-source", include_str!("../../presets/h264-source.yaml")),
        ("hevc-1080p", include_str!("../../presets/hevc-1080p.yaml")),
        ("archive-mkv", include_str!("../../presets/archive-mkv.yaml")),
    ];

    fn parse(file: &Path, text: &str) -> Result<Self, Vec<ConfigError>> {
        preset::parse(file, text)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Finds the profile or preset that `wanted` stands for: a file, or a name.
///
/// # Errors
/// There is none of that name, or the first one there is is wrong; one that it would hide is not taken in its stead.
pub fn find<T: Kind>(paths: &SearchPaths, wanted: impl AsRef<OsStr>) -> Result<Found<T>, SearchError> {
    let wanted = wanted.as_ref();
    if is_file_name(wanted) {
        let path = PathBuf::from(wanted);
        let value = load(&path).map_err(SearchError::Broken)?;
        return Ok(Found { value, origin: Origin::File(path) });
    }
    let places = places::<T>(paths);
    let place = wanted
        .to_str()
        .and_then(|name| places.get(name))
        .and_then(|origins| origins.first().map(|origin| (name_of(wanted), origin)));
    let Some((name, origin)) = place else {
        let wanted = quoted(&path_text(Path::new(wanted)));
        return Err(SearchError::Unknown { noun: T::NOUN, wanted, known: ordered::<T>(places.into_keys()) });
    };
    let value = read_at(&name, origin).map_err(SearchError::Broken)?;
    Ok(Found { value, origin: origin.clone() })
}

fn name_of(wanted: &OsStr) -> String {
    wanted.to_string_lossy().into_owned()
}

/// Everything there is, the compiled-in names first in their order, then the others by name. What is broken is listed with
/// its mistakes.
pub fn list<T: Kind>(paths: &SearchPaths) -> Vec<Listed<T>> {
    let mut places = places::<T>(paths);
    let names = ordered::<T>(places.keys().cloned());
    let row = |name: String| {
        let mut origins = places.remove(&name)?.into_iter();
        let origin = origins.next()?;
        Some(Listed { read: read_at(&name, &origin), name, origin, shadows: origins.collect() })
    };
    names.into_iter().filter_map(row).collect()
}

/// Reads one from a file, whatever its name.
///
/// # Errors
/// It cannot be read, or every mistake in it.
pub fn load<T: Kind>(file: &Path) -> Result<T, Vec<ConfigError>> {
    T::parse(file, &read_text(file, MAX_FILE).map_err(|error| vec![error])?)
}

/// Reads the one called `name`, and holds it to that name: it is what the operator said and what outputs are named by.
fn read_at<T: Kind>(name: &str, origin: &Origin) -> Result<T, Vec<ConfigError>> {
    let path = match origin {
        Origin::File(path) => path,
        Origin::BuiltIn => {
            let text = T::BUILT_IN.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
            return T::parse(Path::new(&format!("built in {}/{name}.yaml", T::FOLDER)), text);
        }
    };
    let text = read_text(path, MAX_FILE).map_err(|error| vec![error])?;
    let read = T::parse(path, &text)?;
    if read.name() == name {
        return Ok(read);
    }
    let place = super::yaml::Document::read(path, &text).map_err(|error| vec![error])?.place("name").value;
    Err(vec![ConfigError {
        file: path.clone(),
        line: place.0,
        column: place.1,
        field: "name".to_owned(),
        problem: format!("`{}` is not the file's name", read.name()),
        allowed: format!("{name}, the file's name without its ending"),
    }])
}

/// Every name with the places it is found in, first match first. A folder that cannot be read holds nothing.
fn places<T: Kind>(paths: &SearchPaths) -> BTreeMap<String, Vec<Origin>> {
    let mut places: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
    for folder in paths.folders(T::FOLDER) {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort(); // the order of a folder is the file system's whim
        for file in files {
            let ending = file.extension().and_then(OsStr::to_str);
            let name = file.file_stem().and_then(OsStr::to_str).filter(|stem| super::read::check_name(stem).is_ok());
            if let (Some("yaml" | "yml"), Some(name)) = (ending, name) {
                // A package installs the compiled-in ones too, for people to read: unchanged, they are what they show.
                let is_copy =
                    paths.share_dir.as_ref().is_some_and(|share| file.starts_with(share)) && is_built_in::<T>(name, &file);
                if is_copy {
                    continue;
                }
                places.entry(name.to_owned()).or_default().push(Origin::File(file.clone()));
            }
        }
    }
    for (name, _) in T::BUILT_IN {
        places.entry((*name).to_owned()).or_default().push(Origin::BuiltIn);
    }
    places
}

/// The file holds the very text that is compiled in under its name.
fn is_built_in<T: Kind>(name: &str, file: &Path) -> bool {
    let text = T::BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    text.is_some_and(|text| read_text(file, MAX_FILE).is_ok_and(|read| read == text))
}

/// The compiled-in names first, in their order, then the others.
fn ordered<T: Kind>(names: impl Iterator<Item = String>) -> Vec<String> {
    let rank = |name: &String| T::BUILT_IN.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX);
    let mut names: Vec<String> = names.collect();
    names.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Box {
        folder: tempfile::TempDir,
        paths: SearchPaths,
    }

    impl Box {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("tempdir");
            let paths = SearchPaths {
                config_dir: Some(folder.path().join("config")),
                work_dir: Some(folder.path().join("work")),
                share_dir: Some(folder.path().join("share/plimsoll")),
            };
            for parent in ["config", "work", "share/plimsoll"] {
                std::fs::create_dir_all(folder.path().join(parent).join("profiles")).expect("folder");
            }
            Self { folder, paths }
        }

        fn put(&self, file: &str, name: &str, slots: &str) -> PathBuf {
            let path = self.folder.path().join(file);
            std::fs::write(&path, format!("name: {name}\nmax_concurrent: {slots}\nmax_file_size: 1MB\n")).expect("written");
            path
        }
    }

    #[test]
    fn what_is_compiled_in_is_valid_and_called_what_it_is_found_by() {
        let nowhere = SearchPaths::default();
        let short: Vec<String> =
            list::<Profile>(&nowhere).into_iter().map(|row| format!("{} {}", row.name, row.read.expect("valid").short())).collect();
        assert_eq!(short, ["fast 4/500", "balanced 2/200", "safe 1/100", "adaptive auto/2048"]);
        let presets: Vec<String> =
            list::<Preset>(&nowhere).into_iter().map(|row| row.read.map(|preset| preset.name).expect("valid")).collect();
        assert_eq!(presets, ["web-720p", "proxy-480p", "audio-m4a", "thumbnails", "h264-source", "hevc-1080p", "archive-mkv"]);
    }

    #[test]
    fn the_operators_own_come_before_thefolders_and_those_before_the_compiled_in() {
        let place = Box::new();
        let slots = |wanted: &str| {
            find::<Profile>(&place.paths, wanted).map(|found| (found.value.max_concurrent, found.origin)).expect("found")
        };
        assert_eq!(slots("safe"), (1.into(), Origin::BuiltIn));
        let shared = place.put("share/plimsoll/profiles/safe.yaml", "safe", "4");
        assert_eq!(slots("safe"), (4.into(), Origin::File(shared.clone())));
        let work = place.put("work/profiles/safe.yaml", "safe", "5");
        assert_eq!(slots("safe"), (5.into(), Origin::File(work.clone())));
        let own = place.put("config/profiles/safe.yml", "safe", "6");
        assert_eq!(slots("safe"), (6.into(), Origin::File(own.clone())));
        let row = list::<Profile>(&place.paths).into_iter().find(|row| row.name == "safe").expect("listed");
        assert_eq!((row.origin, row.shadows), (Origin::File(own), vec![Origin::File(work), Origin::File(shared), Origin::BuiltIn]));
    }

    #[test]
    fn an_installed_copy_of_a_compiled_in_one_is_that_one_until_somebody_changes_it() {
        let place = Box::new();
        let path = place.folder.path().join("share/plimsoll/profiles/safe.yaml");
        let (_, text) = Profile::BUILT_IN[2];
        std::fs::write(&path, text).expect("written");
        let origin = || find::<Profile>(&place.paths, "safe").expect("found").origin;
        assert_eq!(origin(), Origin::BuiltIn);
        std::fs::write(&path, text.replace("max_concurrent: 1", "max_concurrent: 3")).expect("written");
        assert_eq!(origin(), Origin::File(path));
    }

    #[test]
    fn what_is_installed_belongs_to_the_program_beside_it() {
        let share = |program: &str| SearchPaths::default().of_program(Path::new(program)).share_dir;
        assert_eq!(share("/usr/bin/plimsoll"), Some("/usr/share/plimsoll".into()));
        assert_eq!(share("/opt/p/bin/plimsoll"), Some("/opt/p/share/plimsoll".into()));
        assert_eq!((share("/src/target/debug/plimsoll"), share("plimsoll")), (None, None));
    }

    #[test]
    fn a_value_with_a_slash_or_a_yaml_ending_is_a_file() {
        let place = Box::new();
        let file = place.put("odd.yaml", "any-name", "7");
        let found = find::<Profile>(&place.paths, &file).expect("found");
        assert_eq!((found.value.name.as_str(), found.value.max_concurrent), ("any-name", 7.into()));
        for (wanted, is_file) in [("safe", false), ("./safe", true), ("safe.yaml", true), ("a/b", true), ("safe.yml", true)] {
            assert_eq!(is_file_name(OsStr::new(wanted)), is_file, "{wanted}");
        }
        let told = find::<Profile>(&place.paths, "/nowhere/x.yaml").expect_err("missing").to_string();
        assert!(told.starts_with("/nowhere/x.yaml: cannot read it: No such file"), "{told}");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones_and_the_likely_one() {
        let place = Box::new();
        place.put("work/profiles/tiny.yaml", "tiny", "1");
        let told = find::<Profile>(&place.paths, "balancd").expect_err("unknown").to_string();
        let expected = "no profile is called `balancd` (did you mean `balanced`?); there are fast, balanced, safe, adaptive, tiny; a file is named \
                        with a slash or its ending, as ./balancd.yaml";
        assert_eq!(told, expected);
        assert!(find::<Preset>(&place.paths, "\u{1b}[31m").expect_err("unknown").to_string().contains("`␛[31m`"));
    }

    #[test]
    fn a_broken_file_is_listed_with_its_mistakes_and_hides_no_other() {
        let place = Box::new();
        place.put("work/profiles/tiny.yaml", "tiny", "0");
        place.put("work/profiles/good.yaml", "good", "3");
        std::fs::write(place.folder.path().join("work/profiles/notes.txt"), "x").expect("written");
        let rows = list::<Profile>(&place.paths);
        let names: Vec<(&str, bool)> = rows.iter().map(|row| (row.name.as_str(), row.read.is_ok())).collect();
        assert_eq!(
            names,
            [("fast", true), ("balanced", true), ("safe", true), ("adaptive", true), ("good", true), ("tiny", false)]
        );
        // Nor is the compiled-in one quietly taken instead of a broken one of the operator's.
        place.put("config/profiles/safe.yaml", "safe", "0");
        let told = find::<Profile>(&place.paths, "safe").expect_err("broken").to_string();
        assert!(told.contains("safe.yaml:2:17: max_concurrent: 0 job slots; allowed: "), "{told}");
    }

    #[test]
    fn a_file_must_be_called_as_what_is_in_it() {
        let place = Box::new();
        place.put("work/profiles/mine.yaml", "balanced", "2");
        let told = find::<Profile>(&place.paths, "mine").expect_err("two names").to_string();
        assert!(
            told.ends_with(
                "mine.yaml:1:7: name: `balanced` is not the file's name; allowed: mine, the file's name without its ending"
            ),
            "{told}"
        );
    }

    #[test]
    fn thefolder_of_settings_follows_the_xdg_rules() {
        let paths = |config: &'static str, home: &'static str| {
            let set = move |value: &str| (!value.is_empty()).then(|| OsString::from(value));
            let find = move |name: &str| set(if name == "HOME" { home } else { config });
            SearchPaths::new(find, None).settings_file()
        };
        assert_eq!(paths("/c", "/h"), Some("/c/plimsoll/settings.yaml".into()));
        assert_eq!(paths("", "/h"), Some("/h/.config/plimsoll/settings.yaml".into()));
        assert_eq!(paths("relative", "/h"), Some("/h/.config/plimsoll/settings.yaml".into()));
        assert_eq!(paths("", ""), None);
    }
}
