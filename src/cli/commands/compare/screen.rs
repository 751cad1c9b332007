//! The console over a comparison: its page, and the run under way on the dashboard.

use color_eyre::eyre::{Context as _, Result};
use tokio::sync::oneshot;

use crate::cli::commands::compare::Signals;
use crate::cli::commands::run::console_options;
use crate::cli::options::Resolved;
use crate::cli::planning::ahead::no_look_ahead;
use crate::cli::session::{AFTER_A_SIGNAL, Waits, event_loop};
use crate::domain::profile::Profile;
use crate::runtime::relay::Relay;
use crate::tui::{self, Closed, TuiError, TuiExit};

use crate::cli::commands::compare::comparison_log::ComparisonLog;

/// A console, on a thread of its own.
pub struct Screen {
    /// Tells it of the runs.
    pub relay: Relay,
    ended: oneshot::Receiver<Result<Closed, TuiError>>,
}

impl Screen {
    /// Opens it with the page of this comparison.
    pub fn open(resolved: &Resolved, profile: &Profile, log: &ComparisonLog) -> Result<Self> {
        let mut options = console_options(resolved, profile);
        options.lookup.comparisons = Some(log.lookup(&resolved.state_dir));
        options.comparison = Some(log.id());
        options.lookup.ahead = Some(no_look_ahead("this is a run of a comparison, and is measured: a look ahead would disturb it"));
        options.lookup.save = None;
        let (relay, mut link) = Relay::new();
        let (done, ended) = oneshot::channel();
        let runtime = event_loop(Waits::Signals)?;
        std::thread::Builder::new()
            .name("front".to_owned())
            .spawn(move || drop(done.send(runtime.block_on(tui::run(&mut link, options)))))
            .wrap_err("cannot start a thread")?;
        Ok(Self { relay, ended })
    }

    /// The comparison is over: waits until the screen is closed, by the operator where it `stays`. Returns whether there is
    /// still a terminal to print on.
    pub async fn close(self, stays: bool, signals: &mut Signals) -> bool {
        self.relay.end(stays);
        let mut ended = self.ended;
        let exit = loop {
            tokio::select! {
                exit = &mut ended => break exit.ok(),
                signal = signals.next() => if signal != libc::SIGHUP {
                    break tokio::time::timeout(AFTER_A_SIGNAL, &mut ended).await.ok().and_then(std::result::Result::ok);
                },
            }
        };
        match exit {
            Some(Ok(Closed { exit: TuiExit::Finished | TuiExit::Left(_), .. })) => true,
            Some(Err(error)) => {
                crate::cli::write_stderr(&format!("compare: {error}\n"));
                true
            }
            // A thread that has panicked has given the terminal back.
            Some(Ok(Closed { exit: TuiExit::TerminalGone, .. })) | None => false,
        }
    }
}
