//! Keys, mouse and pastes, read on a thread of their own; notices when the terminal is gone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

/// How long the event reader is asked to look: in no time at all it looks at nothing.
const BRIEFLY: Duration = Duration::from_millis(1);

/// What the reader tells.
#[derive(Debug)]
pub enum Input {
    /// A key, the mouse, a paste, a new size.
    Event(Event),
    /// The terminal is gone. Nothing follows.
    Gone,
}

/// The reader; dropping it ends its thread.
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
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(tty.as_fd(), PollFlags::IN), PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        // Asked before anything is read: after a hang-up the event reader would never return.
        if fds[0].revents().intersects(gone) {
            break;
        }
        let keys = fds[0].revents().contains(PollFlags::IN);
        let mut any = false;
        loop {
            match event::poll(BRIEFLY).and_then(|ready| if ready { event::read().map(Some) } else { Ok(None) }) {
                Ok(Some(found)) => {
                    any = true;
                    if sender.send(Input::Event(found)).is_err() {
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
        if keys && !any {
            // Half a sequence, or bytes that the event reader has not been woken for.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let _ = sender.send(Input::Gone);
}
