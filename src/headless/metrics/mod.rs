//! Metrics of a run for a monitoring system: OpenMetrics text at `GET /metrics`.
//!
//! It follows the run on a line of its own. Whoever asks gets what is known at that moment; nobody who asks is waited for.

mod families;
mod server;

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;

use tokio::task::LocalSet;

use super::fold::Fold;
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::state::State;
use crate::runtime::link::{Link, Update};

use families::JobSeconds;

/// What metrics are made of.
#[derive(Debug, Default)]
struct Figures {
    version: String,
    fold: Fold,
    seconds: JobSeconds,
    /// The text of the last answer, and the last event that it knows: who asks again and again costs little.
    written: Option<(Seq, String)>,
}

impl Figures {
    fn learn(&mut self, state: State) {
        self.fold.learn(state);
        self.written = None;
    }

    fn add(&mut self, event: &Event) {
        if let EventKind::JobFinished { seconds, .. } = event.kind
            && seconds > 0.0
        {
            self.seconds.observe(seconds);
        }
        self.fold.add(event);
    }

    /// All of them as text.
    fn text(&mut self) -> String {
        let state = self.fold.state();
        match &self.written {
            Some((seq, text)) if *seq == state.seq => text.clone(),
            _ => {
                let text = families::text(state, &self.version, &self.seconds);
                self.written = Some((state.seq, text.clone()));
                text
            }
        }
    }
}

/// Follows a run to its end and answers whoever asks at this address meanwhile. `version` is plimsoll's own.
///
/// Fails where the listener cannot be watched by the event loop, which has to have I/O and time.
pub async fn serve(mut link: Link, listener: TcpListener, version: &str) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let figures = Rc::new(RefCell::new(Figures { version: version.to_owned(), ..Figures::default() }));
    let local = LocalSet::new();
    let asked = Rc::clone(&figures);
    local.spawn_local(server::answer(listener, move || asked.borrow_mut().text()));
    local
        .run_until(async move {
            while let Some(update) = link.updates.recv().await {
                match update {
                    Update::Snapshot(state) => figures.borrow_mut().learn(*state),
                    Update::Event(event) => {
                        figures.borrow_mut().add(&event);
                        if matches!(event.kind, EventKind::RunFinished(_)) {
                            break;
                        }
                    }
                    Update::Reply(..) | Update::Playing(_) | Update::Retold(_) | Update::Line(_) => {}
                }
            }
        })
        .await;
    Ok(())
}
