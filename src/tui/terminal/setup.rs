//! The terminal: taken over once, given back exactly once on every way out.
//!
//! All output of a frame goes out in one write, as one synchronized update; a frame that changes nothing writes nothing.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::{Command as _, cursor, event, queue, terminal};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use crate::tui::terminal::paint::paint;

/// Begin and end of a synchronized update (DECSET 2026).
const SYNC: (&[u8], &[u8]) = (b"\x1b[?2026h", b"\x1b[?2026l");
/// Keep and bring back the terminal's title.
const TITLE: (&[u8], &[u8]) = (b"\x1b[22;0t", b"\x1b[23;0t");
/// No progress in the taskbar (OSC 9;4).
const NO_PROGRESS: &[u8] = b"\x1b]9;4;0\x1b\\";

static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Takes the terminal over; dropping it gives it back.
#[derive(Debug)]
pub struct Guard {
    mouse: bool,
}

impl Guard {
    /// Raw mode, alternate screen, bracketed paste, and the mouse when wanted.
    pub fn take(mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        let guard = Self { mouse };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes it over again after it was given back: by [`Guard::leave`], or by a panic on another thread, to show its report.
    /// Returns whether it had been; all has to be drawn anew then.
    pub fn enter(&self) -> io::Result<bool> {
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Ok(false);
        }
        let entered = terminal::enable_raw_mode().and_then(|()| {
            let mut out = TITLE.0.to_vec();
            queue!(out, terminal::EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)?;
            if self.mouse {
                queue!(out, event::EnableMouseCapture)?;
            }
            write_all(&out)
        });
        if entered.is_err() {
            give_back();
        }
        entered.map(|()| true)
    }

    /// Gives it back for now.
    pub fn leave(&self) {
        give_back();
    }

    /// Takes or gives back the mouse alone.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let mut out = Vec::new();
        if on {
            queue!(out, event::EnableMouseCapture)?;
        } else {
            queue!(out, event::DisableMouseCapture)?;
        }
        write_all(&out)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if it is taken. Errors are ignored: a terminal that is gone needs nothing.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = SYNC.1.to_vec();
    let _ = queue!(out, event::DisableMouseCapture, event::DisableBracketedPaste, cursor::Show, terminal::LeaveAlternateScreen);
    out.extend_from_slice(NO_PROGRESS);
    out.extend_from_slice(TITLE.1);
    let _ = write_all(&out);
    let _ = terminal::disable_raw_mode();
}

/// Writes past the standard library's own buffer and lock, which a panic may hold.
fn write_all(bytes: &[u8]) -> io::Result<()> {
    let stdout = rustix::stdio::stdout();
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(stdout, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => wait_until_writable(stdout)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_until_writable(fd: impl AsFd) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// ratatui's view of the terminal.
#[derive(Debug)]
pub struct Screen {
    frame: Vec<u8>,
    sent: u64,
    /// `None` = not known; `Some(None)` = hidden.
    #[allow(clippy::option_option)] // not known, hidden and shown are three different things
    cursor: Option<Option<Position>>,
    position: Position,
    size: Option<Size>,
    to: Sink,
}

#[derive(Debug)]
enum Sink {
    Stdout,
    File(File),
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Screen {
    /// The standard output.
    pub fn new() -> Self {
        Self { frame: Vec::new(), sent: 0, cursor: None, position: Position::ORIGIN, size: None, to: Sink::Stdout }
    }

    /// A file of a fixed size: what would be sent, for measurements.
    pub fn to_file(file: File, size: Size) -> Self {
        Self { size: Some(size), to: Sink::File(file), ..Self::new() }
    }

    /// Bytes sent so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Adds a control sequence (title, clipboard) to the next frame.
    pub fn add(&mut self, bytes: &[u8]) {
        self.frame.extend_from_slice(bytes);
    }

    const fn inner(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.frame)
    }

    /// Forgets what is known of the cursor, before everything is drawn again.
    pub const fn forget(&mut self) {
        self.cursor = None;
    }
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        if let Some(Some(_)) = self.cursor {
            self.cursor = Some(Some(Position { x: u16::MAX, y: u16::MAX }));
        }
        paint(&mut self.frame, content);
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor == Some(None) {
            return Ok(());
        }
        self.cursor = Some(None);
        self.inner().hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if matches!(self.cursor, Some(Some(_))) {
            return Ok(());
        }
        self.cursor = Some(Some(Position { x: u16::MAX, y: u16::MAX }));
        self.inner().show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Never asked of the terminal: the answer would come among the keys.
        Ok(self.position)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        self.position = position;
        if self.cursor == Some(Some(position)) {
            return Ok(());
        }
        if let Some(Some(_)) = self.cursor {
            self.cursor = Some(Some(position));
        }
        self.inner().set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner().clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner().clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.size.map_or_else(|| terminal::size().map(Size::from), Ok)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner().window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let bytes = [SYNC.0, &std::mem::take(&mut self.frame), SYNC.1].concat();
        self.sent += bytes.len() as u64;
        match &mut self.to {
            Sink::Stdout => write_all(&bytes),
            Sink::File(file) => file.write_all(&bytes),
        }
    }
}

/// The terminal's title (OSC 2).
pub fn title(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\x1b]2;{text}\x1b\\").into_bytes()
}

/// Progress in the taskbar (OSC 9;4), in percent; `None` = none.
pub fn taskbar(percent: Option<u8>) -> Vec<u8> {
    percent.map_or_else(|| NO_PROGRESS.to_vec(), |percent| format!("\x1b]9;4;1;{percent}\x1b\\").into_bytes())
}

/// To the terminal's clipboard (OSC 52), which works over SSH too.
pub fn clipboard(text: &str) -> Vec<u8> {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = CopyToClipboard::to_clipboard_from(text).write_ansi(&mut out);
    out.into_bytes()
}

/// Stops this process and the others of its terminal job as Ctrl-Z would; returns when it goes on.
///
/// Where nobody could wake it again (no shell waits for it), the kernel drops the signal and this returns at once.
#[allow(unsafe_code)]
pub fn stop_as_ctrl_z_does() {
    // SAFETY: plain system calls with valid pointers; the handler that was there is put back.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        let mut other: libc::sigaction = std::mem::zeroed();
        libc::sigemptyset(&raw mut other.sa_mask);
        // The others first, without us: what is sent to a process is some thread's to take, at some later time.
        other.sa_sigaction = libc::SIG_IGN;
        libc::sigaction(libc::SIGTSTP, &raw const other, &raw mut before);
        libc::kill(0, libc::SIGTSTP);
        // Sent to this thread, it is taken before the call returns: nothing that is meant for afterwards is done too early.
        other.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(libc::SIGTSTP, &raw const other, std::ptr::null_mut());
        libc::raise(libc::SIGTSTP);
        libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use ratatui::Terminal;

    use super::*;

    #[test]
    fn a_text_is_handed_to_the_clipboard_of_the_terminal() {
        assert_eq!(clipboard("foob"), b"\x1b]52;c;Zm9vYg==\x1b\\");
    }

    #[test]
    fn a_frame_is_one_synchronized_update_and_an_unchanged_one_sends_nothing() {
        let file = tempfile::tempfile().expect("a file");
        let mut reader = file.try_clone().expect("a second handle");
        let mut terminal = Terminal::new(Screen::to_file(file, Size::new(20, 3))).expect("a terminal");
        let draw = |terminal: &mut Terminal<Screen>, text: &str| {
            terminal.draw(|frame| frame.render_widget(text, frame.area())).expect("draws");
            terminal.backend().sent()
        };
        let first = draw(&mut terminal, "hello");
        assert!(first > 0);
        assert_eq!(draw(&mut terminal, "hello"), first);
        assert!(draw(&mut terminal, "hallo") > first);
        let mut text = String::new();
        reader.rewind().and_then(|()| reader.read_to_string(&mut text)).expect("reads");
        assert!(text.starts_with("\x1b[?2026h") && text.ends_with("\x1b[?2026l"), "{text:?}");
        assert_eq!(text.matches("\x1b[?2026h").count(), 2);
    }

    #[test]
    fn a_title_cannot_carry_control_characters() {
        assert_eq!(title("a\x1b\x07b"), b"\x1b]2;ab\x1b\\");
    }
}
