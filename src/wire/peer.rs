//! Who is at the other end of a socket, as the kernel says: nothing that a client claims counts.

use std::os::unix::fs::MetadataExt as _;

use tokio::net::UnixStream;

/// The process at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    /// Its number; `None` where the kernel does not tell.
    pub pid: Option<i32>,
}

impl Peer {
    /// Asks the kernel.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// May control a server of `owner`: the same user, or root.
    pub const fn may_control(self, owner: u32) -> bool {
        self.uid == owner || self.uid == 0
    }

    /// `anna on pts/3`, `anna over ssh`, or `anna`, as far as it can be told.
    pub fn label(self) -> String {
        let user = user_name(self.uid);
        match self.pid.and_then(place) {
            Some(place) => format!("{user} {place}"),
            None => user,
        }
    }
}

/// The user's name by the system's list of users, else the number.
pub fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("user {uid}"))
}

/// The terminal of a process, or that it came over ssh.
fn place(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold blanks and brackets; what follows its last bracket does not.
    let device: u64 = stat[stat.rfind(')')? + 1..].split_whitespace().nth(4)?.parse().ok()?;
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match (device, major) {
        (0, _) => is_over_ssh(pid).then(|| "over ssh".to_owned()),
        (_, 136..=143) => Some(format!("on pts/{}", (major - 136) * 256 + minor)),
        (_, 4) => Some(format!("on tty{minor}")),
        _ => None,
    }
}

/// Its parent, or its parent's parent, is sshd.
fn is_over_ssh(mut pid: i32) -> bool {
    for _ in 0..4 {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("Name:").is_some_and(|name| name.starts_with("sshd")) {
            return true;
        }
        let Some(parent) = field("PPid:").and_then(|parent| parent.parse().ok()) else { return false };
        pid = parent;
    }
    false
}

/// This process's own user.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The owner of a file; `None` when it is not there.
pub fn owner_of(path: &std::path::Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|meta| meta.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_says_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        let peer = Peer::of(&one).expect("told");
        assert_eq!((peer.uid, peer.pid), (own_uid(), Some(std::process::id() as i32)));
        assert!(peer.label().starts_with(&user_name(own_uid())), "{}", peer.label());
    }

    #[test]
    fn only_the_same_user_and_root_may_control() {
        let peer = |uid| Peer { uid, pid: None };
        assert!(peer(1000).may_control(1000) && peer(0).may_control(1000));
        assert!(!peer(1001).may_control(1000) && !peer(1000).may_control(0));
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_001), "user 4000000001");
    }
}
