//! The watched folders of a server: from `--watch` and the settings to what the host is told.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::cli::Usage;
use crate::cli::options::Resolved;
use crate::config::settings::in_full;
use crate::config::watch::WatchSetting;
use crate::config::{name_beside, search};
use crate::domain::preset::Preset;
use crate::domain::text::{error_words, path_text};
use crate::domain::watch::WatchFolder;

/// What is to be watched: the folders of the settings, then those of the command line that are not among them.
pub(super) fn folders(resolved: &Resolved, given: &[OsString]) -> Result<Vec<WatchFolder>, Usage> {
    let default = resolved.load_presets()?;
    let mut folders: Vec<WatchFolder> = Vec::new();
    let of_settings = resolved.watch.iter().map(|setting| (setting.clone(), "watch in the settings"));
    let here = here()?;
    let of_line = given.iter().map(|word| split(word, &here)).collect::<Result<Vec<_>, _>>()?;
    for (setting, origin) in of_settings.chain(of_line.into_iter().map(|setting| (setting, "--watch"))) {
        let Some(folder) = setting.folder.as_deref().map(tidy) else { continue };
        let wrong = |why: String| Usage(format!("cannot watch {}: {why} (from {origin})", path_text(&folder)));
        let preset = match &setting.preset {
            None => default.1.get(&default.0).cloned().ok_or_else(|| wrong("its preset is not there".to_owned()))?,
            Some(named) => search::find::<Preset>(&resolved.paths, named).map_err(|error| wrong(error.to_string()))?.value,
        };
        // One that is not there yet is waited for.
        if std::fs::metadata(&folder).is_ok_and(|meta| !meta.is_dir()) {
            return Err(wrong("it is a file; give a folder".to_owned()));
        }
        let out = tidy(setting.out.as_ref().unwrap_or(&resolved.settings.out));
        let is_same = |known: &WatchFolder| known.folder == folder && known.preset.name == preset.name && known.out == out;
        if !folders.iter().any(is_same) {
            let quiet = setting.quiet.unwrap_or(WatchFolder::QUIET);
            folders.push(WatchFolder { folder, preset, out, delete_input: setting.delete_input, quiet });
        }
    }
    Ok(folders)
}

/// The options of the command line, as another plimsoll takes them from wherever it is started.
pub(super) fn words(given: &[OsString]) -> Result<Vec<OsString>, Usage> {
    let here = here()?;
    let word = |word: &OsString| {
        let WatchSetting { folder, preset, .. } = split(word, &here)?;
        let mut text = OsString::from("--watch=");
        text.push(folder.unwrap_or_default());
        if let Some(preset) = preset {
            text.push("=");
            text.push(preset);
        }
        Ok(text)
    };
    given.iter().map(word).collect()
}

/// The folder that relative paths start at.
pub(super) fn here() -> Result<PathBuf, Usage> {
    std::env::current_dir()
        .map_err(|error| Usage(format!("cannot tell the current folder: {}; change into one that is there", error_words(&error))))
}

/// `DIR` or `DIR=PRESET`. What is there as a folder is one, whatever signs its name holds.
fn split(word: &OsStr, here: &Path) -> Result<WatchSetting, Usage> {
    let bytes = word.as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'=').filter(|_| !here.join(word).is_dir());
    let (folder, preset) = at.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + 1..])));
    let shown = || path_text(Path::new(word));
    if folder.is_empty() || preset.is_some_and(<[u8]>::is_empty) {
        return Err(Usage(format!("--watch {}: give a folder, or a folder and a preset as DIR=PRESET", shown())));
    }
    let mut named = [Some(folder), preset].into_iter().flatten().map(|bytes| Path::new(OsStr::from_bytes(bytes)));
    named.try_for_each(in_full).map_err(|why| Usage(format!("--watch {}: {why}", shown())))?;
    let preset = preset.map(|preset| String::from_utf8(preset.to_vec()));
    let preset = preset.transpose().map_err(|_| Usage(format!("--watch {}: the preset is not valid UTF-8", shown())))?;
    let folder = here.join(OsString::from_vec(folder.to_vec()));
    Ok(WatchSetting { folder: Some(folder), preset: preset.map(|preset| name_beside(preset, here)), ..WatchSetting::default() })
}

/// The same path without `.` and a slash at its end, so that what lies below it begins with it.
fn tidy(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_name_its_preset_and_hold_any_sign_where_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = |word: &str| {
            let setting = split(OsStr::new(word), folder.path()).map_err(|error| error.0)?;
            Ok::<_, String>((
                setting.folder.expect("a folder").strip_prefix(folder.path()).expect("below").to_owned(),
                setting.preset,
            ))
        };
        assert_eq!(said("in"), Ok(("in".into(), None)));
        assert_eq!(said("in=proxy-480p"), Ok(("in".into(), Some("proxy-480p".to_owned()))));
        std::fs::create_dir(folder.path().join("a=b")).expect("made");
        assert_eq!(said("a=b"), Ok(("a=b".into(), None)));
        assert_eq!(said("a=b=web-720p"), Ok(("a=b".into(), Some("web-720p".to_owned()))));
        for wrong in ["~/in", "in=~/mine.yaml"] {
            assert!(said(wrong).is_err_and(|why| why.contains("the ~ of a shell")), "{wrong}");
        }
        for wrong in ["", "=x", "in="] {
            assert!(said(wrong).is_err_and(|why| why.contains("DIR=PRESET")), "{wrong}");
        }
    }
}
