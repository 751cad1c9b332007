//! The console's loop: updates of the engine and keys in, frames and requests out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::Terminal;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::domain::command::Command;
use crate::domain::comparison::saved::ComparisonId;
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::runtime::link::{LineStatus, Link, Lookup, Update, aside};
use crate::tui::app::complete::{self, Places};
use crate::tui::app::line::WindowOn;
use crate::tui::app::{App, Settings};
use crate::tui::input::action::{Action, Effect, Found, Look};
use crate::tui::input::keymap::Keymap;
use crate::tui::input::reader::{Input, Reader};
use crate::tui::terminal::lookup::LookupWorker;
use crate::tui::terminal::setup::{self, Guard, Screen};
use crate::tui::terminal::signals::{Ends, ScreenSignal, ScreenSignals};
use crate::tui::terminal::theme::{ColorMode, ThemeName};
use crate::tui::terminal::translate::action_of;
use crate::tui::view;

/// Least time between two frames that the run asks for: 10 Hz.
const FRAME: Duration = Duration::from_millis(100);
/// Least time between two frames that the operator asks for: a key is on the screen before an eye notices.
const SWIFT: Duration = Duration::from_millis(20);
/// How often a page asks for what it is not told unasked, and how often messages are counted down.
const POLL: Duration = Duration::from_secs(1);
/// Longest wait for what is asked at the very end, and for the run of a comparison to be stopped before the console stops.
const SUSPEND: Duration = Duration::from_secs(3);

/// What the caller decides.
#[derive(Debug, Clone, Default)]
pub struct TuiOptions {
    pub theme: ThemeName,
    /// The most colours that may be used; see [`ColorMode::detect`].
    pub color: ColorMode,
    /// Only ASCII may be shown.
    pub ascii: bool,
    pub keys: Keymap,
    /// The profiles that the picker offers.
    pub profiles: Vec<Profile>,
    /// Where typed paths lead.
    pub places: Places,
    /// How to look up what is too long or too rare for the stream of updates.
    pub lookup: Lookup,
    /// Asked first, in order: what the command line named.
    pub commands: Vec<Command>,
    /// Names of the presets that files can be added with; empty = only the run's own.
    pub presets: Vec<String>,
    /// What the run before did, told with what it has left in the queue.
    pub before: Option<String>,
    /// The comparison under way that the console is there to show: its page is opened at once.
    pub comparison: Option<ComparisonId>,
    /// What is shown is a recording: nothing runs, and nothing is lost by closing it.
    pub replay: bool,
    /// The engine is in another process: closing the console changes nothing for the jobs.
    pub window: Option<WindowOn>,
}

/// How the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuiExit {
    /// The operator quit, or the run was ended from elsewhere; the run is over.
    Finished,
    /// A window was left, by its operator or by a signal; the run goes on.
    Left(Option<i32>),
    /// The terminal is gone (SSH dropped). The run goes on; the line to it was dropped.
    TerminalGone,
}

/// How it stood when the console was closed.
#[derive(Debug)]
pub struct Closed {
    /// How it ended.
    pub exit: TuiExit,
    /// What was known then.
    pub state: Box<State>,
    /// How the line to the engine stood.
    pub line: LineStatus,
}

/// Why the console could not go on.
#[derive(Debug, Error)]
pub enum TuiError {
    /// The terminal could not be set up.
    #[error("cannot set up the terminal: {0}; `plimsoll run` does without one")]
    Setup(#[source] io::Error),
    /// The terminal could not be drawn to.
    #[error("cannot draw to the terminal: {0}; `plimsoll run` does without one")]
    Draw(#[source] io::Error),
}

/// Something that woke the loop.
enum Woken {
    Update(Option<Update>),
    Found(Box<Found>),
    Input(Option<Input>),
    Signal(ScreenSignal),
    Draw,
    Poll,
}

/// Runs the console until the operator quits, the run ends, or the terminal is gone.
///
/// Writes to the terminal block while the terminal does not read: give it a thread and a runtime of its own.
pub async fn run(link: &mut Link, options: TuiOptions) -> Result<Closed, TuiError> {
    let places = options.places.clone();
    let settings = Settings {
        theme: options.theme,
        color: options.color,
        ascii: options.ascii,
        keys: options.keys,
        profiles: options.profiles,
        presets: options.presets,
        before: options.before,
        places: options.places,
        time_zone: TimeZone::system(),
        comparison: options.comparison,
        replay: options.replay,
        window: options.window,
    };
    let app = App::new(settings);
    let mut console = Console::start(link, app, places, options.lookup).map_err(TuiError::Setup)?;
    for command in options.commands {
        let effect = console.app.ask("add", command);
        console.perform(effect).await.map_err(TuiError::Draw)?;
    }
    if options.comparison.is_some() {
        for effect in console.app.open_compare() {
            console.perform(effect).await.map_err(TuiError::Draw)?;
        }
    }
    let exit = match console.serve().await {
        Ok(exit) => exit,
        Err(error) if is_gone(&error) => TuiExit::TerminalGone,
        Err(error) => return Err(TuiError::Draw(error)),
    };
    // What was asked for at the very end is on its way before the line is given up.
    console.say_goodbye(exit).await;
    Ok(Closed { exit, state: Box::new(console.app.shown().clone()), line: console.app.line_status() })
}

/// Writing failed because nobody is there to read.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
        || matches!(error.raw_os_error(), Some(libc::EIO | libc::ENXIO | libc::EBADF | libc::ENODEV))
}

struct Console<'a> {
    // Dropped first to last: the reader ends before the terminal is given back.
    reader: Reader,
    guard: Guard,
    terminal: Terminal<Screen>,
    link: &'a mut Link,
    app: App,
    places: Places,
    lookup: Lookup,
    tell_found: mpsc::UnboundedSender<Found>,
    found: mpsc::UnboundedReceiver<Found>,
    /// The look ahead that is wanted; 0 = none.
    looking: Arc<AtomicU64>,
    signals: ScreenSignals,
    title: String,
    taskbar: Option<u8>,
}

impl<'a> Console<'a> {
    fn start(link: &'a mut Link, app: App, places: Places, lookup: Lookup) -> io::Result<Self> {
        let (tell_found, found) = mpsc::unbounded_channel();
        let signals = ScreenSignals::listen()?;
        let guard = Guard::take(true)?;
        let terminal = Terminal::new(Screen::new())?;
        let reader = Reader::start()?;
        let (title, taskbar) = (String::new(), None);
        Ok(Self {
            reader,
            guard,
            terminal,
            link,
            app,
            places,
            lookup,
            tell_found,
            found,
            looking: Arc::default(),
            signals,
            title,
            taskbar,
        })
    }

    async fn serve(&mut self) -> io::Result<TuiExit> {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swift = interval(SWIFT);
        swift.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut polls = interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut dirty, mut touched, mut open) = (true, false, true);
        let is_window = self.app.window_on().is_some();
        // A snapshot that is there already spares a first frame without anything in it.
        if let Ok(Some(update)) = timeout(FRAME, self.link.updates.recv()).await {
            self.app.on_update(update);
        }
        loop {
            // While the run lasts, whoever watches the signals ends it, and the end of the run ends the console. A comparison goes
            // on without its screen, and is noticed to have none by what is written.
            let ends = Ends { told: !open || is_window, hung_up: is_window };
            let woken = tokio::select! {
                biased;
                input = self.reader.events.recv() => Woken::Input(input),
                signal = self.signals.next(ends) => Woken::Signal(signal),
                _ = swift.tick(), if touched => Woken::Draw,
                _ = frames.tick(), if dirty => Woken::Draw,
                Some(found) = self.found.recv() => Woken::Found(Box::new(found)),
                _ = polls.tick(), if self.app.polls() => Woken::Poll,
                update = self.link.updates.recv(), if open => Woken::Update(update),
            };
            // What the operator does, and what comes of it.
            touched |= matches!(woken, Woken::Input(Some(_)) | Woken::Found(_) | Woken::Update(Some(Update::Reply(..))));
            let effects = match woken {
                Woken::Draw => {
                    self.draw()?;
                    (dirty, touched) = (false, false);
                    continue;
                }
                Woken::Poll => {
                    // Asking changes nothing on the screen; the answer may.
                    for effect in self.app.ask_anew() {
                        self.perform(effect).await?;
                    }
                    if !self.app.tick() {
                        continue;
                    }
                    Vec::new()
                }
                Woken::Input(None | Some(Input::Gone)) => return Ok(TuiExit::TerminalGone),
                Woken::Input(Some(Input::Event(event))) => {
                    action_of(&self.app, event).map_or_else(Vec::new, |action| self.app.update(action))
                }
                // What was drawn for another size may have come after the change, even if the size is now the old one.
                Woken::Signal(ScreenSignal::Resized) => vec![Effect::Redraw],
                Woken::Signal(ScreenSignal::Continued) => {
                    self.guard.enter()?;
                    vec![Effect::Redraw]
                }
                Woken::Signal(ScreenSignal::Stopped) => vec![Effect::Suspend],
                Woken::Found(found) => self.app.update(Action::Found(found)),
                Woken::Signal(ScreenSignal::Ended(signal)) => return Ok(self.exit(Some(signal))),
                Woken::Update(Some(update)) => self.app.on_update(update),
                Woken::Update(None) => {
                    open = false;
                    self.app.closed()
                }
            };
            dirty = true;
            for effect in effects {
                if effect == Effect::Exit {
                    return Ok(self.exit(None));
                }
                self.perform(effect).await?;
            }
        }
    }

    /// How it ends now.
    fn exit(&self, signal: Option<i32>) -> TuiExit {
        if self.app.window_on().is_some() && !self.app.ended() { TuiExit::Left(signal) } else { TuiExit::Finished }
    }

    /// A window that is left, or loses its terminal, in the same moment as something is asked waits for the answer.
    async fn say_goodbye(&mut self, exit: TuiExit) {
        if exit == TuiExit::Finished {
            return;
        }
        let answered = async {
            while self.app.is_waiting_for_an_answer() {
                let Some(update) = self.link.updates.recv().await else { return };
                self.app.on_update(update);
            }
        };
        let _ = timeout(SUSPEND, answered).await;
    }

    async fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Send(id, command) => {
                // A closed line is noticed where updates are received.
                let _ = self.link.requests.send(id, command);
            }
            Effect::Copy(text) => self.terminal.backend_mut().add(&setup::clipboard(&text)),
            Effect::Mouse(on) => self.guard.mouse(on)?,
            Effect::Redraw => self.redraw_all()?,
            Effect::Complete(line) if self.lookup.complete.is_some() => {
                let (complete, tell) = (self.lookup.complete.clone(), self.tell_found.clone());
                let work = move || {
                    let completed = complete.map(|complete| complete(&line)).unwrap_or_default();
                    drop(tell.send(Found::Completed(completed)));
                };
                // Without a thread nothing is completed.
                let _ = std::thread::Builder::new().name("complete".to_owned()).spawn(work);
            }
            Effect::StartServer => {
                let (start, tell) = (self.lookup.start_server.clone(), self.tell_found.clone());
                let work = move || {
                    let nobody = || "it cannot be started from here".to_owned();
                    drop(tell.send(Found::Started(start.ok_or_else(nobody).and_then(|start| start()))));
                };
                let _ = std::thread::Builder::new().name("server".to_owned()).spawn(work);
            }
            Effect::Complete(line) => {
                let completion = complete::complete(&line, &self.places);
                self.app.update(Action::Completed(completion));
            }
            Effect::Look(look) => {
                if let Look::Ahead(number, _) = look {
                    self.looking.store(number, Ordering::Relaxed);
                }
                let asker =
                    LookupWorker { lookup: self.lookup.clone(), tell: self.tell_found.clone(), looking: Arc::clone(&self.looking) };
                let unasked = look.clone();
                // Whoever does not want to know any more does not listen.
                let work = move || drop(asker.tell.send(asker.look_up(look)));
                if let Err(error) = std::thread::Builder::new().name("lookup".to_owned()).spawn(work) {
                    let why = format!("no thread to look it up: {error}");
                    self.app.update(Action::Found(Box::new(unasked.without(why))));
                }
            }
            Effect::Compare(inputs, preset) => {
                let (compare, tell) = (self.lookup.compare.clone(), self.tell_found.clone());
                // The thread lives as long as the comparison: children end with the thread that started them.
                let work = move || {
                    let nobody = || "nobody here can compare".to_owned();
                    let ended = compare.ok_or_else(nobody).and_then(|compare| (compare.make)(&inputs, &preset));
                    drop(tell.send(Found::Compared(ended)));
                };
                if let Err(error) = std::thread::Builder::new().name("compare".to_owned()).spawn(work) {
                    let ended = Err(format!("no thread to make it: {error}"));
                    self.app.update(Action::Found(Box::new(Found::Compared(ended))));
                }
            }
            Effect::StopComparison => {
                if let Some(stop) = self.lookup.compare.as_ref().map(|compare| Arc::clone(&compare.stop)) {
                    // Where that is another process's to do, it is asked over the line.
                    self.link.updates.meanwhile(aside("compare", move || stop())).await;
                }
            }
            Effect::LookAway => self.looking.store(0, Ordering::Relaxed),
            Effect::Suspend => self.suspend().await?,
            Effect::Exit => {}
        }
        Ok(())
    }

    /// A window alone is suspended: the jobs are none of its. A comparison stands still with its console, for
    /// both are one job of the shell: its run first, then the terminal, and this process; afterwards the run, before the
    /// terminal, which may be gone by then.
    async fn suspend(&mut self) -> io::Result<()> {
        if self.app.window_on().is_some() {
            self.guard.leave();
            setup::stop_as_ctrl_z_does();
            self.guard.enter()?;
            return self.redraw_all();
        }
        if let Effect::Send(request, command) = self.app.ask("suspend", Command::Suspend) {
            let _ = self.link.requests.send(request, command);
            let answered = async {
                while let Some(update) = self.link.updates.recv().await {
                    let answer = matches!(&update, Update::Reply(id, _) if *id == request);
                    self.app.on_update(update);
                    if answer {
                        return;
                    }
                }
            };
            // A run that does not answer must not keep the operator from the shell.
            let _ = timeout(SUSPEND, answered).await;
        }
        self.guard.leave();
        setup::stop_as_ctrl_z_does();
        // The run first: the terminal may be gone by now, and nobody else would let them go on.
        let effect = self.app.ask("continue", Command::Continue);
        if let Effect::Send(request, command) = effect {
            let _ = self.link.requests.send(request, command);
        }
        self.guard.enter()?;
        self.redraw_all()
    }

    fn redraw_all(&mut self) -> io::Result<()> {
        self.title.clear();
        self.terminal.backend_mut().forget();
        self.terminal.clear()
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.guard.enter()? {
            self.redraw_all()?;
        }
        let title = self.app.title();
        if title != self.title {
            self.terminal.backend_mut().add(&setup::title(&title));
            self.title = title;
        }
        let taskbar = self.app.taskbar();
        if taskbar != self.taskbar {
            self.terminal.backend_mut().add(&setup::taskbar(taskbar));
            self.taskbar = taskbar;
        }
        self.terminal.autoresize()?;
        let size = self.terminal.size()?;
        self.app.update(Action::Resize(size.width, size.height));
        let app = &self.app;
        self.terminal.draw(|frame| view::draw(app, frame))?;
        Ok(())
    }
}

impl Drop for Console<'_> {
    fn drop(&mut self) {
        self.looking.store(0, Ordering::Relaxed);
    }
}
