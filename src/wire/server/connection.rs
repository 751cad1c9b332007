//! One connection: a hello both ways, then requests and questions in, and the snapshot, events and answers out.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt as _;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::sessions::{Asked, Outcome};
use super::{Connected, Server};
use crate::domain::refusal::Refusal;
use crate::runtime::link::LookStep;
use crate::wire::look::Look;
use crate::wire::message::{
    self, CLIENT_NAMES, ClientHello, ClientLine, Facts, Read, Refused, RefusedKind, Resume, SPOKEN, ServerLine,
};
use crate::wire::peer::Peer;
use crate::wire::ring::{Cursor, Next};
use crate::wire::{CLIENT_LINE, HELLO_LINE, HELLO_WAIT, snapshot};

/// Who takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines for one connection that wait to be sent; then its requests are not read for as long.
const WAITING: usize = 64;
/// Questions that are being answered at once for a connection.
const LOOKS: usize = 8;
/// Longest time to take an answer, once it is there: it is whole in memory for so long.
const WHOLE_ANSWER: Duration = Duration::from_mins(5);
/// What is said of a question that is not wanted any more.
const GIVEN_UP: &str = "it was given up";
/// Text of an answer in one line.
const PIECE: usize = 64 * 1024;

/// Somebody who is connected.
pub(super) struct Connection {
    server: Rc<Server>,
    id: u64,
    peer: Peer,
    view: bool,
    /// Of who only looks one long question is answered at a time.
    turn: Rc<Semaphore>,
}

/// Writes a line, to somebody who may not read.
pub(super) async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &ServerLine) -> Option<()> {
    let mut text = String::new();
    add(&mut text, line)?;
    write(stream, &text).await
}

/// `None` = he has gone, or takes nothing.
async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    timeout(PATIENCE, stream.write_all(text.as_bytes())).await.ok()?.ok()
}

impl Connection {
    pub(super) fn new(server: Rc<Server>, id: u64, peer: Peer, view: bool) -> Self {
        Self { server, id, peer, view, turn: Rc::new(Semaphore::new(1)) }
    }

    /// Talks until one end has had enough.
    pub(super) async fn run(mut self, stream: UnixStream) {
        let (input, mut output) = stream.into_split();
        if say(&mut output, &ServerLine::Hello(self.server.service.hello.clone())).await.is_none() {
            return;
        }
        let mut lines = FramedRead::new(input, LinesCodec::new_with_max_length(HELLO_LINE));
        let hello = match timeout(HELLO_WAIT, next(&mut lines)).await {
            Ok(Some(Read::Line(ClientLine::Hello(hello)))) => hello,
            // Whoever says nothing gets no answer.
            Err(_) | Ok(None) => return,
            Ok(Some(_)) => {
                let why = "the first line is no hello".to_owned();
                say(&mut output, &ServerLine::Refused(Refused { kind: RefusedKind::NotAllowed, why })).await;
                return;
            }
        };
        if let Some(refused) = misfit(&hello, &self.server) {
            say(&mut output, &ServerLine::Refused(refused)).await;
            return;
        }
        *lines.decoder_mut() = LinesCodec::new_with_max_length(CLIENT_LINE);
        // Who came through the socket for those who only look has no say in how much memory there is for jobs.
        let pid = self.peer.pid.filter(|_| !self.view);
        self.view |= hello.view;
        let (direct, waiting) = mpsc::channel(WAITING);
        let connected = Connected { who: self.peer.label(), pid, view: self.view, console: hello.console, direct: direct.clone() };
        self.server.connected.borrow_mut().insert(self.id, connected);
        let server = Rc::clone(&self.server);
        if hello.console {
            server.notify_consoles();
        }
        let session: Rc<str> = hello.session.as_str().into();
        // Answers to what it asks stand behind this place.
        let place = server.ring.borrow().end();
        let telling = Telling { server: &server, session: &session, follows: hello.follow, place, waiting, output };
        tokio::select! {
            () = self.listen(&mut lines, &session, direct) => {}
            _ = telling.run(hello.resume) => {}
        }
    }

    /// Reads what the client asks.
    async fn listen<R: AsyncRead + Unpin>(
        &self,
        lines: &mut FramedRead<R, LinesCodec>,
        session: &Rc<str>,
        direct: mpsc::Sender<ServerLine>,
    ) {
        let mut looks = Looks::default();
        while let Some(read) = next(lines).await {
            let line = match read {
                Read::Line(line) => line,
                Read::Unknown => continue,
                Read::Strange(said) => {
                    let Some(answer) = not_understood(&said) else { return };
                    if direct.send(answer).await.is_err() {
                        return;
                    }
                    continue;
                }
                // Whoever talks nonsense is not talked to.
                Read::Unreadable => return,
            };
            match line {
                ClientLine::Hello(_) => return,
                ClientLine::Request { number, command } => {
                    let outcome = if self.view {
                        let why = "this is a window to look through: nothing can be asked for; attach without --view";
                        Some(Err(Refusal::ViewOnly.because(why)))
                    } else {
                        self.request(session, number, command)
                    };
                    if let Some(result) = outcome
                        && direct.send(ServerLine::Reply { number, result }).await.is_err()
                    {
                        return;
                    }
                }
                ClientLine::Look { number, look } => {
                    looks.asked.retain(|(_, wanted)| Arc::strong_count(wanted) > 1);
                    let refused = if self.view && look.is_for_control() {
                        Some("this is a window to look through: that cannot be asked; attach without --view")
                    } else if looks.asked.len() >= LOOKS {
                        Some("too much is being looked up at once; try again")
                    } else {
                        None
                    };
                    if let Some(why) = refused {
                        let answered = ServerLine::Answered { number, error: Some(why.to_owned()) };
                        if direct.send(answered).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    let wanted = Arc::new(AtomicBool::new(true));
                    looks.asked.push((number, Arc::clone(&wanted)));
                    let turns = (self.view && look.is_long()).then(|| [Rc::clone(&self.turn), Rc::clone(&self.server.turns)]);
                    let question = Question { number, look, wanted, turns, given_up: Rc::clone(&looks.given_up) };
                    tokio::task::spawn_local(look_up(Rc::clone(&self.server), question, direct.clone()));
                }
                ClientLine::GiveUp { number } => {
                    // It counts for as long as there is an answer to it.
                    for (_, wanted) in looks.asked.iter().filter(|(asked, _)| *asked == number) {
                        wanted.store(false, Ordering::Relaxed);
                    }
                    looks.given_up.notify_waiters();
                }
            }
        }
    }

    /// Asks the engine; what came of it if that is known at once.
    fn request(&self, session: &Rc<str>, number: u64, command: crate::domain::command::Command) -> Option<Outcome> {
        let asked = self.server.sessions.borrow_mut().ask(session, number, Instant::now());
        match asked {
            Asked::Done(outcome) => Some(outcome),
            Asked::UnderWay => None,
            Asked::New if self.server.ask(Rc::clone(session), number, self.id, command) => None,
            Asked::New => Some(Err(Refusal::Over.because("the run is over"))),
        }
    }
}

/// The questions of a connection.
#[derive(Default)]
struct Looks {
    /// Each with its number, and whether its answer is still wanted: not any more when the connection has gone.
    asked: Vec<(u64, Arc<AtomicBool>)>,
    /// Wakes those that wait for their turn when one of them was given up.
    given_up: Rc<Notify>,
}

impl Drop for Looks {
    fn drop(&mut self) {
        for (_, wanted) in &self.asked {
            wanted.store(false, Ordering::Relaxed);
        }
    }
}

/// The next line, as far as it is one of the protocol; `None` when there is none, or one that is too long.
async fn next<R: AsyncRead + Unpin>(lines: &mut FramedRead<R, LinesCodec>) -> Option<Read<ClientLine>> {
    let line = lines.next().await?.ok()?;
    Some(message::read(&line, CLIENT_NAMES))
}

/// The answer to a client of another make that asks for something in a form that is not known here; `None` = it asks for nothing.
fn not_understood(said: &Value) -> Option<ServerLine> {
    let number = |name: &str| said.get(name)?.get("number")?.as_u64();
    let why = "this server does not understand what it is asked for; use the server's version of plimsoll";
    let refused = |number| ServerLine::Reply { number, result: Err(Refusal::Other.because(why)) };
    let unanswered = |number| ServerLine::Answered { number, error: Some(why.to_owned()) };
    number("request").map(refused).or_else(|| number("look").map(unanswered))
}

/// The versions do not fit, and whose is older.
fn misfit(hello: &ClientHello, server: &Server) -> Option<Refused> {
    if SPOKEN.common(hello.protocol).is_some() {
        return None;
    }
    let (own, other) = (&server.service.hello.version, &hello.version);
    let why = if hello.protocol.max < SPOKEN.min {
        format!("this console is plimsoll {other}, older than the server's {own}; use the server's version")
    } else {
        format!("the server is plimsoll {own}, older than this console's {other}; end it (`plimsoll stop`) and start the new one")
    };
    Some(Refused { kind: RefusedKind::Versions, why })
}

/// A question that is answered.
struct Question {
    number: u64,
    look: Look,
    /// Held until its answer is taken.
    wanted: Arc<AtomicBool>,
    /// What it waits for before it is looked up.
    turns: Option<[Rc<Semaphore>; 2]>,
    /// One of the questions was given up: it does not wait any more if that was this one.
    given_up: Rc<Notify>,
}

/// Answers a question on a thread of its own.
async fn look_up(server: Rc<Server>, question: Question, direct: mpsc::Sender<ServerLine>) {
    let Question { number, look, wanted, turns, given_up } = question;
    let mut taken = Vec::new();
    for turn in turns.iter().flatten() {
        let permit = loop {
            let given_up = given_up.notified();
            if !wanted.load(Ordering::Relaxed) {
                let _ = direct.send(ServerLine::Answered { number, error: Some(GIVEN_UP.to_owned()) }).await;
                return;
            }
            tokio::select! {
                Ok(permit) = turn.acquire() => break permit,
                () = direct.closed() => return,
                () = given_up => {}
            }
        };
        taken.push(permit);
    }
    let is_wanted = Arc::clone(&wanted);
    // It runs on a thread of its own, and outlives a connection that does not wait for it.
    let lookup = server.service.lookup.clone();
    let steps = direct.clone();
    let compares = u32::from(matches!(look, Look::Compare { .. }));
    server.comparing.set(server.comparing.get() + compares);
    let answered = tokio::task::spawn_blocking(move || {
        let on_step = |step: LookStep| {
            // Who is behind with reading misses a step on the way, no answer.
            let _ = steps.try_send(ServerLine::Step { number, step });
            is_wanted.load(Ordering::Relaxed)
        };
        if !is_wanted.load(Ordering::Relaxed) {
            return Err(GIVEN_UP.to_owned());
        }
        look.answer(&lookup, &on_step)
    });
    let answer = answered.await;
    server.comparing.set(server.comparing.get() - compares);
    let answer = answer.unwrap_or_else(|_| Err("plimsoll itself failed here; its log tells where".to_owned()));
    let error = match answer {
        Ok(text) => {
            let sent = async {
                for piece in pieces(&text) {
                    if !wanted.load(Ordering::Relaxed) {
                        return Some(GIVEN_UP.to_owned());
                    }
                    if direct.send(ServerLine::Piece { number, text: piece.to_owned() }).await.is_err() {
                        break;
                    }
                }
                None
            };
            let too_slow = || Some(format!("the answer was not taken within {} minutes", WHOLE_ANSWER.as_secs() / 60));
            timeout(WHOLE_ANSWER, sent).await.unwrap_or_else(|_| too_slow())
        }
        Err(why) => Some(why),
    };
    drop(taken);
    let _ = direct.send(ServerLine::Answered { number, error }).await;
}

/// A long text in pieces, cut between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What the client is told.
struct Telling<'a, W> {
    server: &'a Rc<Server>,
    session: &'a str,
    /// It wants all that is known, not answers alone.
    follows: bool,
    place: Cursor,
    waiting: mpsc::Receiver<ServerLine>,
    output: W,
}

impl<W: AsyncWrite + Unpin> Telling<'_, W> {
    /// Writes what the client is to know, until the end of the run; `None` when it has gone or does not read.
    async fn run(mut self, resume: Option<Resume>) -> Option<()> {
        let mut grown = self.server.grown.subscribe();
        let consoles = self.server.consoles();
        say(&mut self.output, &ServerLine::Facts(Box::new(Facts { consoles, ..self.server.service.facts.clone() }))).await?;
        self.server.follow();
        if self.follows {
            let resume = resume.filter(|resume| resume.life == self.server.service.hello.life);
            let known = resume.and_then(|resume| Some((resume.seq, self.server.ring.borrow().cursor_after(resume.seq)?)));
            match known {
                Some((seq, place)) => {
                    self.place = place;
                    say(&mut self.output, &ServerLine::Resumed(seq)).await?;
                }
                None => self.snapshot().await?,
            }
        }
        loop {
            while let Ok(line) = self.waiting.try_recv() {
                say(&mut self.output, &line).await?;
            }
            let next = self.server.ring.borrow().next(&mut self.place, self.session, self.follows);
            match next {
                Next::Lines(lines) => {
                    write(&mut self.output, &lines).await?;
                    continue;
                }
                Next::Behind => {
                    self.snapshot().await?;
                    continue;
                }
                Next::Nothing if self.server.is_over.get() => {
                    say(&mut self.output, &ServerLine::Bye).await?;
                    return self.output.shutdown().await.ok();
                }
                Next::Nothing => {}
            }
            tokio::select! {
                changed = grown.changed() => changed.ok()?,
                line = self.waiting.recv() => say(&mut self.output, &line?).await?,
            }
        }
    }

    /// Writes everything that is known, and all answers of the session.
    async fn snapshot(&mut self) -> Option<()> {
        // The follower may have ended while nobody was here.
        self.server.follow();
        let state = self.server.snapshot().await?;
        self.place = self.server.ring.borrow().cursor_from_snapshot(state.seq);
        let mut text = String::new();
        for line in snapshot::lines(*state) {
            add(&mut text, &line)?;
            if text.len() >= PIECE {
                write(&mut self.output, &text).await?;
                text.clear();
                // Others have their turn while a long snapshot is written out.
                tokio::task::yield_now().await;
            }
        }
        let answers = self.server.sessions.borrow().answers(self.session);
        for (number, result) in answers {
            add(&mut text, &ServerLine::Reply { number, result })?;
        }
        write(&mut self.output, &text).await
    }
}

fn add(text: &mut String, line: &ServerLine) -> Option<()> {
    text.push_str(&serde_json::to_string(line).ok()?);
    text.push('\n');
    Some(())
}
