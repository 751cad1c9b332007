//! The watched folders of the settings: `watch: [{ folder, preset, out, delete_input, quiet }]`.
//!
//! Knows what may be said of each; whether a folder is there, and what its preset means, is its caller's knowledge.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::de::texts;
use super::read::{PATH_RULE, Reader, name_beside, path};
use super::yaml::quoted;
use crate::domain::time::parse_duration;
use crate::domain::watch::DeleteInput;

/// A watched folder, as the settings say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WatchSetting {
    /// The folder; always there once the settings are read.
    #[serde(deserialize_with = "folder")]
    pub folder: Option<PathBuf>,
    /// Name or file of the preset; `None` = that of the server.
    #[serde(deserialize_with = "preset")]
    pub preset: Option<String>,
    /// Folder of the outputs; `None` = that of the server.
    #[serde(deserialize_with = "out")]
    pub out: Option<PathBuf>,
    /// What becomes of the inputs.
    pub delete_input: DeleteInput,
    /// How long a file has to look the same before it is taken; `None` = the usual time.
    #[serde(deserialize_with = "quiet")]
    pub quiet: Option<Duration>,
}

texts! {
    folder: PathBuf = PATH_RULE, path;
    preset: String = "a name or a file", |text| path(text).map(|_| text.to_owned());
    out: PathBuf = PATH_RULE, path;
    quiet: Duration = QUIET, |text| match parse_duration(text) {
        Ok(span) if span <= LONGEST => Ok(span),
        Ok(_) => Err(format!("`{}` is too long", quoted(text))),
        Err(_) => Err(format!("`{}` is not a duration", quoted(text))),
    };
}

/// The longest time that a file may have to look the same.
const LONGEST: Duration = Duration::from_hours(1);
const QUIET: &str = "a duration such as 10s or 2m, 1h at most; 0 = none, for folders into which whole files are renamed only";

const LIST: &str = "a list of watched folders, such as [{ folder: /srv/in, preset: web-720p, out: /srv/out, delete_input: never }]";

/// Reads the list.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WatchSetting>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<WatchSetting>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(LIST)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(List)
}

/// The same with paths taken from the folder of the file; one without a folder is told and left out.
pub(super) fn placed(list: Vec<WatchSetting>, reader: &mut Reader<'_>, beside: &Path) -> Vec<WatchSetting> {
    for index in 0..list.len() {
        reader.require(&format!("watch[{index}].folder"), PATH_RULE);
    }
    let named = list.into_iter().filter(|setting| setting.folder.is_some());
    named
        .map(|setting| WatchSetting {
            folder: setting.folder.map(|folder| beside.join(folder)),
            preset: setting.preset.map(|preset| name_beside(preset, beside)),
            out: setting.out.map(|out| beside.join(out)),
            ..setting
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings;

    #[test]
    fn what_is_said_of_a_watched_folder_is_read_with_paths_from_the_folder_of_the_file() {
        let text = "watch:\n  - folder: in\n  - { folder: /srv/in, preset: ./mine.yaml, out: done, delete_input: after_done, quiet: 1m }\n";
        let read = settings::parse(Path::new("/etc/p/settings.yaml"), text).expect("valid").watch;
        let first = WatchSetting { folder: Some("/etc/p/in".into()), ..WatchSetting::default() };
        let second = WatchSetting {
            folder: Some("/srv/in".into()),
            preset: Some("/etc/p/./mine.yaml".to_owned()),
            out: Some("/etc/p/done".into()),
            delete_input: DeleteInput::AfterDone,
            quiet: Some(Duration::from_mins(1)),
        };
        assert_eq!(read, [first, second]);
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (text, message) in [
            ("watch: /srv/in", format!("1:8: watch: `/srv/in` is not allowed here; allowed: {LIST}")),
            ("watch: [/srv/in]", "1:9: watch[0]: `/srv/in` is not a mapping; allowed: a mapping with the keys folder, preset, out, delete_input, quiet".to_owned()),
            (
                "watch: [{ folder: ~/in }]",
                format!("1:19: watch[0].folder: `~/in`: the ~ of a shell is not known here; allowed: {PATH_RULE}"),
            ),
            ("watch:\n  - preset: web-720p", format!("2:5: watch[0].folder: is missing; allowed: {PATH_RULE}")),
            (
                "watch: [{ folder: /in, delete_inputs: never }]",
                "1:24: watch[0].delete_inputs: unknown key; did you mean `delete_input`?; allowed: folder, preset, out, delete_input, quiet"
                    .to_owned(),
            ),
            (
                "watch: [{ folder: /in, delete_input: always }]",
                "1:38: watch[0].delete_input: unknown delete input `always`; allowed: never, after_done".to_owned(),
            ),
            ("watch: [{ folder: /in, quiet: soon }]", format!("1:31: watch[0].quiet: `soon` is not a duration; allowed: {QUIET}")),
            ("watch: [{ folder: /in, quiet: 2h }]", format!("1:31: watch[0].quiet: `2h` is too long; allowed: {QUIET}")),
        ] {
            let told = settings::parse(Path::new("s.yaml"), text).expect_err(text);
            let told = crate::config::search::lines(&told);
            assert!(told.starts_with(&format!("s.yaml:{message}")), "{text}:\n{told}\ns.yaml:{message}");
        }
    }
}
