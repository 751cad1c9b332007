//! Keys, mouse and pastes, read on a thread of their own; notices when the terminal is gone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

/// How long crossterm looks for an event. It looks at the keys that it has read already only within this time: if the thread gets no
/// processor for as long, it answers that there is none.
const BRIEFLY: Duration = Duration::from_millis(20);
/// Such keys do not make the terminal readable again. So crossterm is asked again after an event, this long after the last time.
const AGAIN: Duration = Duration::from_millis(50);
/// How often it has to answer in a row that there is none before the thread waits for the terminal alone.
const LOOKS: u8 = 3;

/// What the reader tells.
#[derive(Debug)]
pub enum Input {
    /// A key, the mouse, a paste, a new size.
    Event(Event),
    /// The terminal is gone. Nothing follows.
    Gone,
}

/// The reader; dropping it ends its thread, which may read what is half a sequence to its end first.
#[derive(Debug)]
pub struct Reader {
    /// What it tells.
    pub events: mpsc::UnboundedReceiver<Input>,
    /// The thread waits for the end of this pipe too.
    _alive: OwnedFd,
}

impl Reader {
    /// Begins to read the terminal: the standard input, or the controlling terminal when that is none.
    pub fn start() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        let tty: OwnedFd = if rustix::termios::isatty(stdin) {
            stdin.try_clone_to_owned()?
        } else {
            File::options().read(true).write(true).open("/dev/tty")?.into()
        };
        let (ended, alive) = rustix::pipe::pipe()?;
        let (sender, events) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read(&tty, &ended, &sender))?;
        Ok(Self { events, _alive: alive })
    }
}

fn read(tty: &OwnedFd, ended: &OwnedFd, sender: &mpsc::UnboundedSender<Input>) {
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let again = Timespec { tv_sec: 0, tv_nsec: AGAIN.as_nanos() as _ };
    // How often crossterm is still asked without news of the terminal.
    let mut looks = 0_u8;
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(tty.as_fd(), PollFlags::IN), PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
        match poll(&mut fds, (looks > 0).then_some(&again)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        // Asked before anything is read: nothing comes from there any more.
        if fds[0].revents().intersects(gone) {
            break;
        }
        looks = looks.saturating_sub(1);
        loop {
            match event::poll(BRIEFLY).and_then(|ready| if ready { event::read().map(Some) } else { Ok(None) }) {
                Ok(Some(event)) => {
                    looks = LOOKS;
                    if sender.send(Input::Event(event)).is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    let _ = sender.send(Input::Gone);
                    return;
                }
            }
        }
    }
    let _ = sender.send(Input::Gone);
}
