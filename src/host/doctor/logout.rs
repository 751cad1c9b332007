//! What the login manager does with what a login has started, when that login ends.

use std::fs;
use std::path::{Path, PathBuf};

use super::Check;

/// Folders of settings, the weakest first, below the root of the system.
const FOLDERS: [&str; 3] = ["usr/lib/systemd/logind.conf.d", "run/systemd/logind.conf.d", "etc/systemd/logind.conf.d"];
/// The file itself; those in the folders are stronger.
const FILE: &str = "etc/systemd/logind.conf";
/// Users whose services outlive their logins have a file of their name here.
const LINGER: &str = "var/lib/systemd/linger";

/// Warns where a server would end with the login that started it; nothing where it would not, or nobody can tell.
pub fn check(root: &Path, user: &str, is_root: bool) -> Option<Check> {
    let settings = settings(root);
    let kills = settings.iter().rev().find_map(|(key, value)| (key == "KillUserProcesses").then(|| is_yes(value)))?;
    // Root is spared unless somebody says otherwise.
    let excluded = settings.iter().rev().find(|(key, _)| key == "KillExcludeUsers").map_or("root", |(_, value)| value);
    let is_spared = excluded.split_whitespace().any(|spared| spared == user || (is_root && spared == "root"));
    let lingers = root.join(LINGER).join(user).exists();
    (kills && !is_spared && !lingers).then(|| {
        Check::warn(
            "logout",
            "logind ends what a login has started (KillUserProcesses=yes)",
            "a server would end with your login: run it as a service (`plimsoll serve unit --user` prints one), and let \
             services outlive logins with `loginctl enable-linger`",
        )
    })
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1")
}

/// Every setting that is said, the weakest first.
fn settings(root: &Path) -> Vec<(String, String)> {
    let mut files = vec![root.join(FILE)];
    for folder in FOLDERS {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(Result::ok);
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        found.retain(|file| file.extension().is_some_and(|ending| ending == "conf"));
        found.sort();
        files.extend(found);
    }
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts
        .flat_map(|text| {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
            let pairs = lines.filter_map(|line| line.split_once('='));
            pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn only_a_login_manager_that_ends_this_users_processes_is_warned_of() {
        let root = tempfile::tempdir().expect("a folder");
        let warned = |user: &str| check(root.path(), user, user == "root").is_some();
        assert!(!warned("anna"), "nobody says so");
        put(root.path(), FILE, "[Login]\n#KillUserProcesses=yes\n");
        assert!(!warned("anna"), "a comment says nothing");
        put(root.path(), "usr/lib/systemd/logind.conf.d/10-vendor.conf", "[Login]\nKillUserProcesses = yes\n");
        assert!(warned("anna") && !warned("root"), "root is spared");
        put(root.path(), "etc/systemd/logind.conf.d/50-ours.conf", "[Login]\nKillUserProcesses=no\n");
        assert!(!warned("anna"), "the stronger file wins");
        put(root.path(), "etc/systemd/logind.conf.d/60-ours.conf", "[Login]\nKillUserProcesses=1\nKillExcludeUsers=bob\n");
        assert!(warned("anna") && !warned("bob") && warned("root"));
        put(root.path(), "var/lib/systemd/linger/anna", "");
        assert!(!warned("anna"), "her services outlive her logins");
    }
}
