//! A PostgreSQL of a test's own. Where its server is not installed, the system's package manager is asked for it.

use std::sync::OnceLock;

use plimsoll::host::fleet::postgres::{self, PostgresError, PrivatePostgres};
use plimsoll::host::media::ffmpeg::Search;
use plimsoll::host::media::install::Machine;

use crate::support::skip;

/// Starts one; `None` = it is not there and may not be installed, which was told.
pub fn start() -> Option<PrivatePostgres> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    match PrivatePostgres::start() {
        Err(PostgresError::Missing) => {}
        started => return Some(started.expect("PostgreSQL starts")),
    }
    // One test installs, the others wait for it.
    let installed = INSTALLED.get_or_init(|| {
        let machine = Machine::detect(&Search::from_env(None), false);
        let way = postgres::way(&machine).map_err(|error| error.to_string())?;
        postgres::install(&way, &machine, &mut |line| println!("{line}")).map_err(|error| error.to_string())
    });
    match installed {
        Ok(()) => Some(PrivatePostgres::start().expect("PostgreSQL starts")),
        Err(why) => {
            skip::skip(skip::POSTGRES, why);
            None
        }
    }
}
