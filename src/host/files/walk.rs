//! Which files below the given paths are inputs. Files that are named are taken as they are; in folders each file is told
//! by its first bytes, outputs of plimsoll and half downloads are passed over, and links are followed.
//!
//! Reads folders, a few KiB of each file, and a few headers more of those that could be outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::domain::job::LogLevel;
use crate::domain::preset::Preset;
use crate::domain::text::path_text;
use crate::host::files::scratch::WORK_FOLDER;
use crate::host::media::mark;
use crate::host::media::probe::words;
use crate::host::media::sniff;

mod tell;

use tell::{has_control_file, read_head};
pub use tell::{is_half, is_passed_name};

/// Name of the folder that outputs go to where nobody says another.
pub const OUT_FOLDER: &str = "plimsoll-out";
/// Folders of systems and network stores that hold thumbnails, deleted files and the like, in lower case. Hidden ones need
/// no name here.
const PASSED_FOLDERS: &[&str] = &[
    "@eadir",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "#snapshot",
    "@tmp",
    "@__thumb",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "__macosx",
];
/// Endings of downloads that are not whole yet.
const HALF_ENDINGS: &[&str] = &[
    "part",
    "partial",
    "crdownload",
    "download",
    "opdownload",
    "filepart",
    "aria2",
    "!qb",
    "!ut",
    "!bt",
    "bc!",
    "!sync",
    "dtapart",
    "unconfirmed",
    "ytdl",
    "td",
    "xltd",
    "incomplete",
    "tmp",
];
/// Folders that are open at a time; deeper ones are read into memory.
const OPEN_FOLDERS: usize = 4;
/// Names told of each kind that is passed over.
const EXAMPLES: usize = 3;

/// What is looked for, and where.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Files and folders, absolute.
    pub paths: &'a [PathBuf],
    /// What is to be made of them.
    pub preset: &'a Preset,
    /// Folder of the outputs, absolute.
    pub out: &'a Path,
    /// Further folders of outputs, absolute. They are searched, but what is recorded as made there is no input.
    pub others: &'a [PathBuf],
    /// Size and inode of the output that is recorded under a path.
    pub record: &'a dyn Fn(&Path) -> Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Bytes.
    pub size: u64,
    /// The folder it was found in, below the one that was given; empty for a file that was given.
    pub below: &'a Path,
}

/// What is told of each file found: what it is, or why it cannot be taken.
type Tell<'a> = &'a mut dyn FnMut(&Path, Result<Found<'_>, String>);

/// Finds the inputs under the given paths: files as they are, whatever their name or content; folders recursively, in the
/// order of names, what only links lead to last. Each folder is searched once, so that loops end.
pub fn find(request: &Request<'_>, tell: Tell<'_>) -> Passed {
    let mut walk = Walk::new(request, tell);
    for path in request.paths {
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
                    walk.passed.empty.add(|| path_text(path));
                }
                walk.root(path, &meta);
            }
            Ok(meta) => (walk.tell)(path, Ok(Found { size: meta.len(), below: Path::new("") })),
            Err(error) => (walk.tell)(path, Err(words(&error))),
        }
    }
    walk.passed
}

/// What a file that was named turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// An input; it was told.
    Input,
    /// No film, or none of the operator's: that will not change.
    Passed,
    /// It cannot be read, or is not whole: that may change.
    Refused,
}

/// Judges the files at these paths as if they had been found below the folder `root`; others of [`Request::paths`] are not looked
/// at. `judged` is told what came of each, after `tell`.
pub fn judge(request: &Request<'_>, root: &Path, tell: Tell<'_>, judged: &mut dyn FnMut(&Path, Judged)) -> Passed {
    let mut walk = Walk::new(request, tell);
    for path in request.paths {
        let verdict = walk.listed(root, path);
        judged(path, verdict);
    }
    walk.passed
}

/// A number, and the first few names of what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub number: u64,
    /// The first few.
    pub names: Vec<String>,
}

impl Counted {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.number += 1;
        if self.names.len() < EXAMPLES {
            self.names.push(name());
        }
    }

    /// `3 files (a, b, c)`.
    fn words(&self, one: &str, several: &str) -> String {
        let more = if self.number > self.names.len() as u64 { ", …" } else { "" };
        format!("{} {} ({}{more})", self.number, if self.number == 1 { one } else { several }, self.names.join(", "))
    }
}

/// What was passed over in folders, and what was done about links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Files that are no media, or none that the preset can use.
    pub others: Counted,
    /// Files that plimsoll made.
    pub made: Counted,
    /// Downloads that are not whole.
    pub halves: Counted,
    /// Links that were followed.
    pub links: Counted,
    /// Links to what is searched anyway.
    pub doubles: Counted,
    /// Links that lead nowhere.
    pub broken: Counted,
    /// Folders that were given and hold nothing.
    pub empty: Counted,
}

impl Passed {
    /// What the operator should know of it, one line for each kind.
    pub fn notes(&self) -> Vec<(LogLevel, String)> {
        let kinds = [
            (&self.others, LogLevel::Info, "passed over: ", "file that is no film", "files that are no films", ""),
            (
                &self.made,
                LogLevel::Info,
                "passed over: ",
                "file that plimsoll made",
                "files that plimsoll made",
                "; give such a file by its name to convert it",
            ),
            (&self.halves, LogLevel::Info, "passed over: ", "half download", "half downloads", ""),
            (&self.empty, LogLevel::Warning, "passed over: ", "empty folder", "empty folders", ""),
            (&self.links, LogLevel::Info, "followed ", "link", "links", ""),
            (
                &self.doubles,
                LogLevel::Info,
                "passed over: ",
                "link to what is searched already",
                "links to what is searched already",
                "",
            ),
            (
                &self.broken,
                LogLevel::Warning,
                "passed over: ",
                "broken link that leads nowhere",
                "broken links that lead nowhere",
                "",
            ),
        ];
        let counted = kinds.into_iter().filter(|(counted, ..)| counted.number > 0);
        counted
            .map(|(counted, level, before, one, several, after)| (level, format!("{before}{}{after}", counted.words(one, several))))
            .collect()
    }
}

/// What makes a folder or a file one and the same, whatever path leads to it.
type Node = (u64, u64);

fn node(meta: &Metadata) -> Node {
    (meta.dev(), meta.ino())
}

struct Link {
    path: PathBuf,
    /// The folder that it lies in, below the one that was given.
    below: PathBuf,
}

struct Walk<'a, 't> {
    request: &'a Request<'a>,
    tell: Tell<'t>,
    /// The folder of the outputs without links, if it is there.
    out: Option<PathBuf>,
    /// Every folder of outputs that is there: without links, and as it is spelled in the record.
    outs: Vec<(PathBuf, &'a Path)>,
    /// Folders that were searched.
    searched: BTreeSet<Node>,
    /// Files that links led to.
    linked: BTreeSet<Node>,
    links: VecDeque<Link>,
    passed: Passed,
}

impl<'a, 't> Walk<'a, 't> {
    fn new(request: &'a Request<'a>, tell: Tell<'t>) -> Self {
        Self {
            request,
            tell,
            out: request.out.canonicalize().ok(),
            outs: std::iter::once(request.out)
                .chain(request.others.iter().map(PathBuf::as_path))
                .filter_map(|out| Some((out.canonicalize().ok()?, out)))
                .collect(),
            searched: BTreeSet::new(),
            linked: BTreeSet::new(),
            links: VecDeque::new(),
            passed: Passed::default(),
        }
    }

    /// Searches a folder that was given, then what links in it lead to.
    fn root(&mut self, root: &Path, meta: &Metadata) {
        if self.searched.insert(node(meta)) {
            self.tree(root, Path::new(""));
        }
        while let Some(link) = self.links.pop_front() {
            self.follow(&link);
        }
    }

    /// Searches a folder, itself on the list already. `below` is what stands for it below the folder that was given.
    fn tree(&mut self, root: &Path, below: &Path) {
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let mut entries = WalkDir::new(root).max_open(OPEN_FOLDERS).sort_by_file_name().into_iter();
        // The folder of the last file: most files come one after the other.
        let mut folders: BTreeMap<usize, PathBuf> = BTreeMap::new();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let why = error.io_error().map_or_else(|| "it cannot be read".to_owned(), words);
                    (self.tell)(error.path().unwrap_or(root), Err(why));
                    continue;
                }
            };
            let (depth, kind) = (entry.depth(), entry.file_type());
            if depth == 0 {
                folders.insert(0, below.to_owned());
                continue;
            }
            if entry.file_name().as_bytes().starts_with(b".") {
                if kind.is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            if kind.is_dir() {
                if self.enters(&entry, &real, root) {
                    let folder = folders.get(&(depth - 1)).map_or_else(PathBuf::new, |parent| parent.join(entry.file_name()));
                    folders.insert(depth, folder);
                } else {
                    entries.skip_current_dir();
                }
                continue;
            }
            let folder = folders.get(&(depth - 1)).cloned().unwrap_or_default();
            if kind.is_symlink() {
                self.links.push_back(Link { path: entry.into_path(), below: folder });
            } else if kind.is_file() {
                let real = entry.path().strip_prefix(root).map_or_else(|_| entry.path().to_owned(), |path| real.join(path));
                match entry.metadata() {
                    Ok(meta) => {
                        self.file(entry.path(), &real, &meta, &folder);
                    }
                    Err(error) => {
                        let why = error.io_error().map_or_else(|| "it cannot be read".to_owned(), words);
                        (self.tell)(entry.path(), Err(why));
                    }
                }
            }
        }
    }

    /// The folder is to be searched, and was not yet.
    fn enters(&mut self, entry: &DirEntry, real_root: &Path, root: &Path) -> bool {
        let real = entry.path().strip_prefix(root).map_or_else(|_| entry.path().to_owned(), |path| real_root.join(path));
        !self.is_passed_folder(&real) && entry.metadata().is_ok_and(|meta| self.searched.insert(node(&meta)))
    }

    /// A folder of outputs, or one that holds no films of the operator's. `real` leads through no link.
    fn is_passed_folder(&self, real: &Path) -> bool {
        Some(real) == self.out.as_deref() || is_passed_name(real.file_name().unwrap_or_default())
    }

    /// Judges a file that is named, as if it had been found below `root`.
    fn listed(&mut self, root: &Path, path: &Path) -> Judged {
        let Ok(below) = path.strip_prefix(root) else { return Judged::Refused };
        let folder = below.parent().unwrap_or(Path::new(""));
        let is_hidden = below.components().any(|part| part.as_os_str().as_bytes().starts_with(b"."));
        let Some(real_folder) = path.parent().and_then(|parent| parent.canonicalize().ok()) else { return Judged::Refused };
        let levels = folder.components().count();
        if is_hidden || real_folder.ancestors().take(levels).any(|folder| self.is_passed_folder(folder)) {
            return Judged::Passed;
        }
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let meta = match std::fs::metadata(path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return Judged::Passed,
            // It has gone since it was seen.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Judged::Refused,
            Err(error) => {
                (self.tell)(path, Err(words(&error)));
                return Judged::Refused;
            }
        };
        // A link to an output is none of the operator's films.
        let through_link = real.parent() != Some(real_folder.as_path());
        if through_link && self.out.as_deref().is_some_and(|out| real.starts_with(out)) {
            self.passed.made.add(|| path_text(path));
            return Judged::Passed;
        }
        let passed = self.passed.others.number + self.passed.made.number;
        if self.file(path, &real, &meta, folder) {
            return Judged::Input;
        }
        if self.passed.others.number + self.passed.made.number > passed { Judged::Passed } else { Judged::Refused }
    }

    /// Where a link leads: a file is taken unless it is found without the link, a folder is searched unless it was.
    fn follow(&mut self, link: &Link) {
        let Link { path, below } = link;
        let name = || path_text(path);
        let found = path.canonicalize().and_then(|real| Ok((std::fs::metadata(&real)?, real)));
        let (meta, real) = match found {
            Ok(found) => found,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
                return self.passed.broken.add(name);
            }
            Err(error) => return (self.tell)(path, Err(words(&error))),
        };
        if real.ancestors().skip(1).any(|folder| folder.file_name().is_some_and(|name| name == WORK_FOLDER)) {
            return;
        }
        if meta.is_dir() {
            if self.is_passed_folder(&real) || self.is_within_out(&real) {
                return;
            }
            if !self.searched.insert(node(&meta)) {
                return self.passed.doubles.add(name);
            }
            self.passed.links.add(name);
            let below = below.join(path.file_name().unwrap_or_default());
            self.tree(path, &below);
        } else if meta.is_file() {
            let is_hidden = real.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
            let folder = real.parent().and_then(|folder| std::fs::metadata(folder).ok());
            let is_found = !is_hidden && folder.is_some_and(|folder| self.searched.contains(&node(&folder)));
            if is_found || !self.linked.insert(node(&meta)) {
                return self.passed.doubles.add(name);
            }
            if self.is_within_out(&real) {
                return self.passed.made.add(name);
            }
            if self.file(path, &real, &meta, below) {
                self.passed.links.add(name);
            }
        }
    }

    /// Below the folder of the outputs, where that is not searched itself.
    fn is_within_out(&self, real: &Path) -> bool {
        let Some(out) = self.out.as_deref().filter(|out| real.starts_with(out)) else { return false };
        !std::fs::metadata(out).is_ok_and(|meta| self.searched.contains(&node(&meta)))
    }

    /// Judges a regular file; true if it was told as an input. `real` leads through no link.
    fn file(&mut self, path: &Path, real: &Path, meta: &Metadata, below: &Path) -> bool {
        let name = || path_text(Path::new(path.file_name().unwrap_or_default()));
        let ending = path.extension().unwrap_or_default().as_bytes();
        if is_half(path) {
            self.passed.halves.add(name);
            return false;
        }
        let wants_picture = self.request.preset.video.is_some();
        let (file, head) = match read_head(path) {
            Ok(read) => read,
            // Of what is no film by its name nobody needs to know.
            Err(error) if sniff::is_media_ending(ending, wants_picture) => {
                (self.tell)(path, Err(words(&error)));
                return false;
            }
            Err(_) => {
                self.passed.others.add(name);
                return false;
            }
        };
        let Some(format) = sniff::taken(&head, ending, wants_picture) else {
            self.passed.others.add(name);
            return false;
        };
        if self.is_recorded(path, real, meta) || mark::is_marked(&file, meta.len(), format, &head) {
            self.passed.made.add(name);
            return false;
        }
        if has_control_file(path) {
            self.passed.halves.add(name);
            return false;
        }
        (self.tell)(path, Ok(Found { size: meta.len(), below }));
        true
    }

    /// The record says that plimsoll made it, under one of the paths that lead to it.
    fn is_recorded(&self, path: &Path, real: &Path, meta: &Metadata) -> bool {
        let is_known = |path: &Path| (self.request.record)(path) == Some((meta.len(), meta.ino()));
        let mut through_outs = self.outs.iter().filter_map(|(out, spelled)| Some(spelled.join(real.strip_prefix(out).ok()?)));
        is_known(path) || (real != path && is_known(real)) || through_outs.any(|other| other != path && is_known(&other))
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
