//! The kernel's word that something changed: which folders it is asked about, and what it says of them. Also where its word
//! is not enough.

use std::io;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::mailbox::{Change, Mailbox};

/// Why a folder is not watched.
#[derive(Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// The kernel watches no more for this user.
    Limit,
    /// It has gone, or cannot be read.
    Folder,
}

/// What to do about [`Unwatched::Limit`].
pub const LIMIT_ADVICE: &str = "the kernel's limit of watched folders (inotify) is reached; raise it: \
                                sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512";

/// Asks the kernel about folders, each for itself: whoever looks through a folder asks about it first, so that nothing that
/// comes is missed between the two.
#[derive(Debug)]
pub struct Notifier(Option<RecommendedWatcher>);

impl Notifier {
    /// What changes is put into `mailbox`. Without the means of the kernel nothing is watched.
    pub fn new(mailbox: Mailbox) -> Self {
        Self(notify::recommended_watcher(move |told| on_event(told, &mailbox)).ok())
    }

    /// Asks about what lies in a folder, not below it.
    pub fn watch(&mut self, folder: &Path) -> Result<(), Unwatched> {
        let Some(watcher) = &mut self.0 else { return Err(Unwatched::Limit) };
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| match error.kind {
            ErrorKind::MaxFilesWatch => Unwatched::Limit,
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::StorageFull => Unwatched::Limit,
            _ => Unwatched::Folder,
        })
    }

    /// Asks about it no more.
    pub fn unwatch(&mut self, folder: &Path) {
        // One that has gone is not watched any more as it is.
        let _ = self.0.as_mut().map(|watcher| watcher.unwatch(folder));
    }
}

fn on_event(told: notify::Result<Event>, mailbox: &Mailbox) {
    let event = match told {
        Ok(event) if event.need_rescan() => return mailbox.overrun(),
        Ok(event) => event,
        Err(error) => {
            tracing::warn!(%error, "watched folders are looked through");
            return mailbox.overrun();
        }
    };
    let tracker = event.tracker();
    let mut paths = event.paths.into_iter();
    let Some(path) = paths.next() else { return };
    if let Some(change) = change(event.kind, path, tracker) {
        mailbox.change(change);
    }
}

/// What an event means. Whoever only reads changes nothing.
fn change(kind: EventKind, path: PathBuf, tracker: Option<usize>) -> Option<Change> {
    match kind {
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Some(Change::Left(path, tracker)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Change::Arrived(path, tracker)),
        // Both of its names were told already.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Change::Changed(path)),
        EventKind::Access(_) => None,
        EventKind::Remove(_) => Some(Change::Removed(path)),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => Some(Change::Changed(path)),
    }
}

/// Others than this machine may change files there, of which its kernel tells nothing.
#[cfg(target_os = "linux")]
pub fn is_remote(folder: &Path) -> bool {
    /// `f_type` of NFS, SMB and CIFS, FUSE, 9P, Ceph, AFS, Coda, OCFS2, GFS2, Lustre, `BeeGFS`, GPFS, `VirtualBox`'s shared folders.
    const REMOTE: [u32; 17] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x5346_414f,
        0x6b41_4653,
        0x7375_7245,
        0x7461_636f,
        0x0116_1970,
        0x0bd0_0bd0,
        0x1983_0326,
        0x4750_4653,
        0x786f_4256,
        0x564c,
    ];
    rustix::fs::statfs(folder).is_ok_and(|told| REMOTE.contains(&(told.f_type as u32)))
}

/// Only Linux tells by a number.
#[cfg(not(target_os = "linux"))]
pub const fn is_remote(_folder: &Path) -> bool {
    false
}

/// Tells `mailbox` when a file system is mounted or taken away, for as long as somebody has it. A folder may come to lie under
/// another file system without any change in it.
#[cfg(target_os = "linux")]
pub fn watch_mounts(mailbox: &Mailbox) {
    use rustix::event::{PollFd, PollFlags, poll};

    let Ok(mounts) = std::fs::File::open("/proc/self/mountinfo") else { return };
    let mailbox = mailbox.clone();
    let work = move || {
        while !mailbox.is_stopped() {
            let mut asked = [PollFd::new(&mounts, PollFlags::PRI)];
            match poll(&mut asked, None) {
                Ok(_) => mailbox.mounts(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    };
    // Without it only what the kernel tells of the folders themselves is known.
    let _ = std::thread::Builder::new().name("mounts".to_owned()).spawn(work);
}

/// Only Linux tells.
#[cfg(not(target_os = "linux"))]
pub const fn watch_mounts(_mailbox: &Mailbox) {}

/// What is mounted at these folders, above and below them.
pub fn mounted_at(folders: &[&Path]) -> Vec<String> {
    let told = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let concerns = |line: &&str| {
        let point = line.split(' ').nth(4).map(Path::new);
        point.is_some_and(|point| folders.iter().any(|folder| folder.starts_with(point) || point.starts_with(folder)))
    };
    told.lines().filter(concerns).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange};

    use super::*;

    #[test]
    fn what_only_reads_is_no_change() {
        let path = || PathBuf::from("/w/a.mp4");
        assert_eq!(change(EventKind::Access(AccessKind::Open(AccessMode::Any)), path(), None), None);
        assert_eq!(change(EventKind::Access(AccessKind::Close(AccessMode::Read)), path(), None), None);
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        ] {
            assert_eq!(change(kind, path(), None), Some(Change::Changed(path())), "{kind:?}");
        }
    }

    #[test]
    fn a_local_folder_is_not_polled() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_remote(folder.path()));
    }
}
