//! Where files of ours belong, by the XDG base directory rules. Reads no environment: it is asked.

use std::ffi::OsString;
use std::path::PathBuf;

/// Our folder for what can be had again: `$XDG_CACHE_HOME/plimsoll`, else `~/.cache/plimsoll`.
pub fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    xdg_folder(variable, "XDG_CACHE_HOME", ".cache")
}

/// Our folder below a base folder: that of `name`, such as `XDG_CACHE_HOME`, else `below_home` of the home. Relative settings
/// do not count, as the rules say; `None` where neither is set.
pub fn xdg_folder(variable: impl Fn(&str) -> Option<OsString>, name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(name).or_else(|| absolute("HOME").map(|home| home.join(below_home)))?;
    Some(base.join("plimsoll"))
}
