//! What tells a file that is no input by its name, its first bytes or what stands beside it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::host::files::fsops::fill;
use crate::host::files::scratch::WORK_FOLDER;
use crate::host::files::walk::{HALF_ENDINGS, OUT_FOLDER, PASSED_FOLDERS};
use crate::host::media::sniff;

/// A folder of this name is passed over wherever it lies: it holds outputs, half downloads, or what no operator has put there.
pub fn is_passed_name(name: &OsStr) -> bool {
    let is_known = || PASSED_FOLDERS.iter().any(|known| name.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    // One browser keeps a download in a folder of its own until it is whole.
    let is_half = Path::new(name).extension().is_some_and(|ending| ending == "download");
    name == OUT_FOLDER || is_half || name == WORK_FOLDER || is_known()
}

/// The name is one that programs give to a download that is not whole yet.
pub fn is_half(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().as_bytes();
    HALF_ENDINGS.iter().any(|half| ending.eq_ignore_ascii_case(half.as_bytes())) || is_fragment(path)
}

/// Opens a file without waiting for anything and reads its first bytes.
pub(super) fn read_head(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let mut head = vec![0; sniff::HEAD];
    let length = fill(&file, &mut head, 0)?;
    head.truncate(length);
    Ok((file, head))
}

/// A piece of a download that is made of several: `film.mp4.part-Frag7`.
pub(super) fn is_fragment(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().as_bytes();
    ending.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"part-frag"))
}

/// A downloader keeps what it needs to go on beside the file, as long as that is not whole.
pub(super) fn has_control_file(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(".aria2");
    std::fs::symlink_metadata(name).is_ok()
}
