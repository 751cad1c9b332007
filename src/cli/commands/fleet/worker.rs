//! `plimsoll worker`.

use color_eyre::eyre::{Result, eyre};
use tokio::task::LocalSet;

use super::{open_files, open_queue, told};
use crate::cli::args::WorkerArgs;
use crate::cli::commands::run;
use crate::cli::fleet::agent::Agent;
use crate::cli::options::Resolved;
use crate::cli::session::RunLines;
use crate::cli::session::serving::host_name;
use crate::domain::command::Command;
use crate::domain::text::path_text;
use crate::host::fleet::lease::Introduction;
use crate::host::fleet::spool::Spool;

/// Works for a fleet until it is told to end.
pub fn run(resolved: &Resolved, args: &WorkerArgs) -> Result<u8> {
    let (db, files) = (open_queue(&args.queue)?, open_files(&args.files)?);
    let ffmpeg = resolved.ffmpeg()?;
    let (version, own) = (ffmpeg.version.clone(), ffmpeg.clone());
    // What was claimed in an earlier life is looked after before the engine begins with it.
    let lines = RunLines { drains: false, ..run::lines(resolved, args.json) };
    let mut session = run::session(resolved, Some(ffmpeg), None, vec![Command::Pause], lines)?;
    session.host.hooks = resolved.hooks.clone();
    let (state_dir, listens, same_ffmpeg) = (resolved.state_dir.clone(), !args.no_listen, args.same_ffmpeg);
    let host = host_name();
    let who = Introduction {
        id: uuid::Uuid::new_v4(),
        r#box: format!("{host}:{}", path_text(&state_dir)),
        host,
        pid: std::process::id() as i32,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ffmpeg: version,
    };
    session.agent = Some(Box::new(move |runtime, link| {
        let work = async move {
            // The lock of the state folder is held by now: nobody else works in the spool.
            let spool = Spool::open(&state_dir).map_err(|error| eyre!("{}: {error}", path_text(&state_dir)))?;
            Agent { db, files, spool, who, listens, same_ffmpeg, ffmpeg: own }.run(link).await.map_err(told)
        };
        LocalSet::new().block_on(runtime, work)
    }));
    session.run()
}
