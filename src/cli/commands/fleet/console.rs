//! `plimsoll fleet` on a terminal, and `fleet demo`: the fleet console. The queue is asked on a thread of its own, so that a slow
//! database keeps nobody from the keys.

mod ask;
mod visit;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::ask::News;
use super::told;
use crate::cli::commands::run::theme_of;
use crate::cli::options::Resolved;
use crate::cli::session::serving::host_name;
use crate::cli::session::signals::Signals;
use crate::cli::session::{Waits, receive, thread};
use crate::host::fleet::db::Database;
use crate::tui::fleet::state::{Ask, Board, Effect, Tone};
use crate::tui::fleet::{keys, view};
use crate::tui::input::reader::{Input, Reader};
use crate::tui::terminal::event_loop::is_gone;
use crate::tui::terminal::setup::{self, Guard, Screen};
use crate::tui::terminal::signals::{Ends, ScreenSignal, ScreenSignals};
use crate::tui::terminal::theme::Theme;

/// Least time between two frames.
const FRAME: Duration = Duration::from_millis(40);
/// What the queue refuses for good is told without a screen, if it does so within this time.
const FIRST: Duration = Duration::from_secs(2);

/// Shows the console until it is left; returns the exit status.
pub fn run(resolved: &Resolved, db: Database) -> Result<u8> {
    open(resolved, db, None)?.wait()
}

/// Opens the console on threads of its own. With a story it is the demonstration's: the story stands below the head, and what is
/// shown ends with the console.
pub fn open(resolved: &Resolved, db: Database, story: Option<String>) -> Result<Shown> {
    let (theme, address) = (theme_of(resolved), db.address().to_owned());
    let (asks, asked) = mpsc::unbounded_channel();
    let (tell, mut news) = mpsc::unbounded_channel();
    let (signalled, left) = (watch_signals()?, Arc::new(Notify::new()));
    let (teller, leaves) = (tell.clone(), Left(Arc::clone(&left)));
    let _asker = thread("queue", Waits::Signals, move |runtime| runtime.block_on(ask::serve(db, asked, tell)))?;
    let ended = thread("front", Waits::Signals, move |runtime| {
        let _leaves = leaves;
        runtime.block_on(async move {
            let first = timeout(FIRST, news.recv()).await.ok().flatten();
            match first {
                Some(News::Refused(error)) => return Err(told(error)),
                Some(News::Close) => return Ok(0),
                _ => {}
            }
            let mut board = Board::new(address, host_name(), TimeZone::system());
            board.story = story;
            let mut console = Console::start(board, theme, asks, news).wrap_err("cannot set up the terminal")?;
            if let Some(news) = first {
                console.on_news(news);
            }
            match console.serve().await {
                Err(error) if is_gone(&error) => Ok(0),
                ended => ended.wrap_err("cannot draw to the terminal"),
            }
        })
    })?;
    Ok(Shown { ended, signalled, teller, left })
}

/// A console that is open.
pub struct Shown {
    ended: Receiver<Result<u8>>,
    signalled: Arc<AtomicI32>,
    teller: mpsc::UnboundedSender<News>,
    left: Arc<Notify>,
}

impl Shown {
    /// The story goes on so.
    pub fn show_story(&self, story: String) {
        // A console that was left wants no more of it.
        let _ = self.teller.send(News::Story(story));
    }

    /// Returns once it was left, or has failed.
    pub async fn left(&self) {
        self.left.notified().await;
    }

    /// It is to give the terminal back, whatever the operator is doing.
    pub fn close(&self) {
        let _ = self.teller.send(News::Close);
    }

    /// Waits for its end; the exit status.
    pub fn wait(self) -> Result<u8> {
        receive(&self.ended, &self.signalled).unwrap_or_else(|| match self.signalled.load(Ordering::Relaxed) {
            0 => Err(eyre!("the console has failed")),
            // It waits for a terminal that takes nothing more.
            signal => Ok(128 + signal as u8),
        })
    }
}

/// Tells that the console's thread has come to its end, in whatever way.
struct Left(Arc<Notify>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Notes the first signal that ends the console, for the case that it waits for a terminal which takes nothing. SIGINT may be
/// meant for the program that has the terminal meanwhile.
fn watch_signals() -> Result<Arc<AtomicI32>> {
    let first = Arc::new(AtomicI32::new(0));
    let noted = Arc::clone(&first);
    thread("signals", Waits::Signals, move |runtime| {
        runtime.block_on(async move {
            // Without them the console alone obeys.
            let Ok(mut signals) = Signals::listen(false) else { return };
            loop {
                let signal = signals.next().await;
                if signal != libc::SIGINT {
                    let _ = noted.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
        });
    })?;
    Ok(first)
}

struct Console {
    // Dropped first to last: the reader ends before the terminal is given back.
    reader: Option<Reader>,
    guard: Guard,
    terminal: Terminal<Screen>,
    board: Board,
    theme: Theme,
    asks: mpsc::UnboundedSender<Ask>,
    news: mpsc::UnboundedReceiver<News>,
    signals: ScreenSignals,
}

enum Woken {
    Input(Option<Input>),
    News(Option<News>),
    Second,
    Draw,
    Signal(ScreenSignal),
}

impl Console {
    fn start(
        board: Board,
        theme: Theme,
        asks: mpsc::UnboundedSender<Ask>,
        news: mpsc::UnboundedReceiver<News>,
    ) -> io::Result<Self> {
        let signals = ScreenSignals::listen()?;
        // The mouse stays the terminal's own: texts can be selected and copied.
        let guard = Guard::take(false)?;
        let mut terminal = Terminal::new(Screen::new())?;
        terminal.backend_mut().add(&setup::title(&format!("plimsoll fleet {}", board.address)));
        let reader = Some(Reader::start()?);
        Ok(Self { reader, guard, terminal, board, theme, asks, news, signals })
    }

    /// Shows it until it is left; returns the exit status.
    async fn serve(&mut self) -> io::Result<u8> {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dirty = true;
        loop {
            let input = async {
                match &mut self.reader {
                    Some(reader) => reader.events.recv().await,
                    None => None,
                }
            };
            let woken = tokio::select! {
                biased;
                input = input => Woken::Input(input),
                signal = self.signals.next(Ends::ALL) => Woken::Signal(signal),
                _ = frames.tick(), if dirty => Woken::Draw,
                news = self.news.recv() => Woken::News(news),
                _ = seconds.tick() => Woken::Second,
            };
            let effects = match woken {
                Woken::Draw => {
                    self.draw()?;
                    dirty = false;
                    continue;
                }
                Woken::Second => {
                    dirty |= self.board.tick();
                    continue;
                }
                Woken::Input(None | Some(Input::Gone)) => return Ok(0),
                Woken::Input(Some(Input::Event(event))) => match event {
                    crossterm::event::Event::Key(key) => keys::press(&mut self.board, key),
                    _ => Vec::new(),
                },
                Woken::News(Some(news)) => self.on_news(news),
                Woken::News(None) => return Err(io::Error::other("whoever asks the queue has failed")),
                Woken::Signal(ScreenSignal::Resized) => vec![Effect::Redraw],
                Woken::Signal(ScreenSignal::Continued) => {
                    self.guard.enter()?;
                    vec![Effect::Redraw]
                }
                Woken::Signal(ScreenSignal::Stopped) => vec![Effect::Suspend],
                Woken::Signal(ScreenSignal::Ended(signal)) => return Ok(128 + signal as u8),
            };
            dirty = true;
            for effect in effects {
                if effect == Effect::Leave {
                    return Ok(0);
                }
                if let Some(status) = self.perform(effect).await? {
                    return Ok(status);
                }
            }
        }
    }

    /// Takes over what is told; what has to be done for it was asked for already.
    fn on_news(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::Facts(facts) => return self.board.told(*facts),
            News::Away(why, again_in) => self.board.away(&why, again_in),
            News::Refused(error) => self.board.say(Tone::Refused, error.to_string()),
            News::Answer(Ok(words)) => self.board.say(Tone::Done, words),
            News::Answer(Err(words)) => self.board.say(Tone::Refused, words),
            News::Found(job, found) => self.board.found(job, found),
            News::Story(story) => self.board.story = Some(story),
            News::Close => return vec![Effect::Leave],
        }
        Vec::new()
    }

    /// Does what was asked for; the exit status if that is the end.
    async fn perform(&mut self, effect: Effect) -> io::Result<Option<u8>> {
        let ask = match effect {
            Effect::Ask(ask) => ask,
            Effect::Visit(visit) => return self.visit(visit).await,
            Effect::Redraw => {
                self.redraw_all()?;
                return Ok(None);
            }
            Effect::Suspend => {
                self.guard.leave();
                setup::stop_as_ctrl_z_does();
                self.guard.enter()?;
                self.redraw_all()?;
                return Ok(None);
            }
            Effect::Leave => return Ok(Some(0)),
        };
        if !matches!(ask, Ask::LookUp(_)) {
            // A slow database takes its time; what comes of it takes the place of this.
            self.board.say(Tone::Asked, "the queue is asked");
        }
        // That nobody asks the queue any more is noticed where news are heard.
        let _ = self.asks.send(ask);
        Ok(None)
    }

    fn redraw_all(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().forget();
        self.terminal.clear()
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.guard.enter()? {
            self.redraw_all()?;
        }
        self.terminal.autoresize()?;
        let (board, theme) = (&self.board, &self.theme);
        self.terminal.draw(|frame| view::draw(board, theme, frame.area(), frame.buffer_mut()))?;
        Ok(())
    }
}
