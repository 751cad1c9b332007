//! The engine's end of the wire: listens, and connects whoever comes to the engine.
//!
//! It follows the engine over one link of its own, for all: events are written out once, and each connection has its own place
//! in what is kept of them. While nobody is connected it follows nothing, and nothing wakes it.

mod connection;
mod sessions;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::message::{Facts, Refused, RefusedKind, ServerHello, ServerLine};
use super::peer::{Peer, own_uid};
use super::ring::Ring;
use super::socket::Listeners;
use crate::domain::command::{Command, RequestId};
use crate::domain::event::Seq;
use crate::domain::state::State;
use crate::runtime::link::{Attached, Link, Lookup, Requests, Update};
use sessions::{Outcome, Sessions};

/// Connections at once.
const CONNECTIONS: usize = 32;
/// Of these, through the socket for those who only look.
const VIEWS: usize = 16;
/// Long answers at once to those who only look: each is whole in memory until it is read.
const LONG_FOR_VIEWS: usize = 4;
/// After the last connection has gone the events are kept for so long, for one that comes back.
const LINGERS: Duration = Duration::from_mins(1);
/// At the end of the run, for what the connections have not been sent yet.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is served.
pub struct Service {
    /// Attaches a front end to the engine.
    pub attach: Box<dyn Fn() -> Link>,
    /// What can be looked up.
    pub lookup: Lookup,
    /// Who this is.
    pub hello: ServerHello,
    /// What consoles offer.
    pub facts: Facts,
    /// Told the processes of the consoles that are attached, whenever that changes.
    pub on_consoles: Box<dyn Fn(Vec<u32>)>,
    /// Ends the run once nobody is connected, nothing is left, and so much time has gone.
    pub exit_when_idle: Option<Duration>,
    /// Something of the run that is no job is at work, and not to be broken off by that.
    pub is_busy: Box<dyn Fn() -> bool>,
}

/// What the connections share.
struct Server {
    service: Service,
    ring: RefCell<Ring>,
    /// Changes whenever something new is in the ring; closed at the end of the run.
    grown: watch::Sender<()>,
    /// The way to the engine, while it is followed.
    requests: RefCell<Option<Requests>>,
    asked: RefCell<BTreeMap<RequestId, Request>>,
    last_request: Cell<u64>,
    sessions: RefCell<Sessions>,
    connected: RefCell<BTreeMap<u64, Connected>>,
    last_connection: Cell<u64>,
    /// Comparisons that are being made.
    comparing: Cell<u32>,
    /// Whose turn it is to get a long answer, of those who only look.
    turns: Rc<Semaphore>,
    /// When the last one has gone.
    left_at: Cell<Instant>,
    is_over: Cell<bool>,
}

/// A request that the engine has been asked.
struct Request {
    session: Rc<str>,
    number: u64,
    connection: u64,
    /// What to tell others when it is done.
    words: Option<String>,
}

/// Somebody who is connected.
struct Connected {
    who: String,
    /// Its process, where the kernel tells and its memory counts as the console's.
    pid: Option<i32>,
    view: bool,
    /// A person sits there; `false` also before it has said hello.
    console: bool,
    /// Lines for it alone, beside the events.
    direct: mpsc::Sender<ServerLine>,
}

/// Serves until the run is over, which `over` tells. To be run in a [`tokio::task::LocalSet`].
pub async fn serve(listeners: Listeners, service: Service, over: impl Future<Output = ()>) -> std::io::Result<()> {
    let (control, view) = listeners.into_tokio()?;
    let server = Rc::new(Server::new(service));
    let mut connections = JoinSet::new();
    // Of these, through the socket for those who only look.
    let mut views = 0_usize;
    let idle = server.clone().idle();
    tokio::pin!(over, idle);
    loop {
        let (accepted, view) = tokio::select! {
            () = &mut over => break,
            () = &mut idle => {
                let link = (server.service.attach)();
                link.requests.send(RequestId(0), Command::Shutdown);
                // The end of the run is told like any other.
                over.await;
                break;
            }
            Some(gone) = connections.join_next(), if !connections.is_empty() => {
                views -= usize::from(gone.unwrap_or_default());
                continue;
            }
            accepted = control.accept() => (accepted, false),
            accepted = view.accept() => (accepted, true),
        };
        match accepted {
            Ok((stream, _)) => {
                // Whoever only looks leaves room for those who have something to do here.
                let is_full = connections.len() >= CONNECTIONS || view && views >= VIEWS;
                views += usize::from(view);
                let server = Rc::clone(&server);
                connections.spawn_local(async move {
                    server.connection(stream, view, is_full).await;
                    view
                });
            }
            // Out of descriptors: others will be given back.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    // What the engine told last is taken before anybody is told that this was all.
    let mut grown = server.grown.subscribe();
    let all_taken = async { while server.requests.borrow().is_some() && grown.changed().await.is_ok() {} };
    let _ = timeout(FAREWELL, all_taken).await;
    server.is_over.set(true);
    server.grown.send_replace(());
    let _ = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

impl Server {
    fn new(service: Service) -> Self {
        Self {
            service,
            ring: RefCell::default(),
            grown: watch::Sender::new(()),
            requests: RefCell::default(),
            asked: RefCell::default(),
            last_request: Cell::new(0),
            sessions: RefCell::default(),
            connected: RefCell::default(),
            last_connection: Cell::new(0),
            comparing: Cell::new(0),
            turns: Rc::new(Semaphore::new(LONG_FOR_VIEWS)),
            left_at: Cell::new(Instant::now()),
            is_over: Cell::new(false),
        }
    }

    /// Takes one who has connected, if he may and there is room.
    async fn connection(self: Rc<Self>, mut stream: UnixStream, view: bool, is_full: bool) {
        let refuse = |kind, why: String| ServerLine::Refused(Refused { kind, why });
        let peer = Peer::of(&stream);
        let refused = match peer {
            Ok(peer) if !view && !peer.may_control(own_uid()) => {
                Some(refuse(RefusedKind::NotAllowed, format!("this plimsoll belongs to {}", super::peer::user_name(own_uid()))))
            }
            Err(_) => Some(refuse(RefusedKind::NotAllowed, "the system does not tell who this is".to_owned())),
            Ok(_) if is_full => {
                Some(refuse(RefusedKind::Busy, "as many are connected to the server as it can bear; close one of them".to_owned()))
            }
            Ok(_) => None,
        };
        if let Some(line) = refused {
            connection::say(&mut stream, &line).await;
            return;
        }
        let id = self.last_connection.get() + 1;
        self.last_connection.set(id);
        let Ok(peer) = peer else { return };
        connection::Connection::new(Rc::clone(&self), id, peer, view).run(stream).await;
        if self.connected.borrow_mut().remove(&id).is_some_and(|gone| gone.console) {
            self.notify_consoles();
        }
        if self.connected.borrow().is_empty() {
            self.left_at.set(Instant::now());
        }
    }

    /// Follows the engine from now on, unless it does so already.
    fn follow(self: &Rc<Self>) {
        if self.requests.borrow().is_some() || self.is_over.get() {
            return;
        }
        let Link { requests, mut updates } = (self.service.attach)();
        *self.requests.borrow_mut() = Some(requests);
        let server = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                let lingers = server.left_at.get() + LINGERS;
                let update = tokio::select! {
                    update = updates.recv() => update,
                    () = tokio::time::sleep_until(lingers), if server.is_alone() => None,
                };
                let Some(update) = update else { break };
                server.take(update);
                // All that has come is written out before anybody is woken.
                while let Ok(update) = updates.try_recv() {
                    server.take(update);
                }
                server.grown.send_replace(());
            }
            server.requests.borrow_mut().take();
            server.grown.send_replace(());
        });
    }

    fn take(&self, update: Update) {
        match update {
            Update::Snapshot(state) => self.ring.borrow_mut().restart(state.seq),
            Update::Event(event) => {
                let seq = event.seq;
                if let Ok(line) = serde_json::to_string(&ServerLine::Event(event)) {
                    self.ring.borrow_mut().push_event(seq, line.into());
                }
            }
            Update::Reply(id, outcome) => self.replied(id, outcome),
            // Of recordings, and of lines to other processes: not of an engine in this one.
            Update::Playing(_) | Update::Retold(_) | Update::Line(_) => {}
        }
    }

    fn replied(&self, id: RequestId, result: Outcome) {
        let Some(request) = self.asked.borrow_mut().remove(&id) else { return };
        let Request { session, number, connection, words } = request;
        if let (Ok(_), Some(what)) = (&result, words) {
            self.notify_others(connection, &what);
        }
        self.sessions.borrow_mut().done(&session, number, result.clone(), Instant::now());
        if let Ok(line) = serde_json::to_string(&ServerLine::Reply { number, result }) {
            self.ring.borrow_mut().push_line(Some(session), line.into());
        }
    }

    /// Asks the engine on behalf of a connection; false when the engine has gone.
    fn ask(self: &Rc<Self>, session: Rc<str>, number: u64, connection: u64, command: Command) -> bool {
        self.follow();
        let id = RequestId(self.last_request.get() + 1);
        self.last_request.set(id.0);
        let words = words::of(&command);
        self.asked.borrow_mut().insert(id, Request { session, number, connection, words });
        self.requests.borrow().as_ref().is_some_and(|requests| requests.send(id, command))
    }

    /// Nobody is connected, and nothing is under way that somebody has asked for: a folder may be looked through for long.
    fn is_alone(&self) -> bool {
        self.connected.borrow().is_empty() && self.asked.borrow().is_empty()
    }

    /// Everything that is known now; `None` when the engine has gone.
    async fn snapshot(&self) -> Option<Box<State>> {
        let mut link = (self.service.attach)();
        match link.updates.recv().await {
            Some(Update::Snapshot(state)) => Some(state),
            _ => None,
        }
    }

    /// Tells the other consoles what this one has done.
    fn notify_others(&self, connection: u64, what: &str) {
        let connected = self.connected.borrow();
        let who = connected.get(&connection).map_or_else(|| "somebody who has left".to_owned(), |one| one.who.clone());
        for (_, other) in connected.iter().filter(|(id, other)| **id != connection && other.console) {
            // Who does not take it in time has missed a courtesy, nothing that counts.
            let _ = other.direct.try_send(ServerLine::Did { who: who.clone(), what: what.to_owned() });
        }
    }

    /// Consoles that are attached.
    fn consoles(&self) -> u32 {
        self.connected.borrow().values().filter(|one| one.console).count() as u32
    }

    /// Tells the consoles who they are, and whoever counts their memory.
    fn notify_consoles(&self) {
        let connected = self.connected.borrow();
        let processes: BTreeSet<u32> =
            connected.values().filter(|one| one.console).filter_map(|one| u32::try_from(one.pid?).ok()).collect();
        (self.service.on_consoles)(processes.into_iter().filter(|pid| *pid > 0).collect());
        let consoles = || connected.iter().filter(|(_, one)| one.console);
        for (own, console) in consoles() {
            let attached = consoles().map(|(id, one)| Attached { who: one.who.clone(), view: one.view, own: id == own }).collect();
            let _ = console.direct.try_send(ServerLine::Consoles(attached));
        }
    }

    /// Comes back when nobody is connected, nothing is left to do, and the time for it has gone; never without such a time.
    async fn idle(self: Rc<Self>) {
        let Some(patience) = self.service.exit_when_idle else { return std::future::pending().await };
        // The shortest time between two looks keeps a very short patience from spinning.
        let look = (patience / 4).clamp(Duration::from_millis(50), Duration::from_secs(15));
        let mut idle_since: Option<Instant> = None;
        let mut last_seq = Seq(0);
        loop {
            sleep(look).await;
            let is_idle = self.is_alone() && self.comparing.get() == 0 && !(self.service.is_busy)();
            let state = if is_idle { self.snapshot().await } else { None };
            let Some(state) = state.filter(|state| !awaits_work(state)) else {
                idle_since = None;
                continue;
            };
            let ended = state.index.ended.last().map_or(Seq(0), |(seq, _)| Seq(*seq));
            if ended > last_seq {
                (last_seq, idle_since) = (ended, None);
            }
            let since = *idle_since.get_or_insert_with(|| self.left_at.get().max(Instant::now() - look));
            if Instant::now() - since >= patience {
                return;
            }
        }
    }
}

/// Jobs wait or run, or files of a watched folder wait to be complete, which will be jobs.
fn awaits_work(state: &State) -> bool {
    state.unended() > 0 || state.watched.values().any(|watched| watched.waiting > 0)
}
