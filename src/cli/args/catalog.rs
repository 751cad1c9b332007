//! Arguments of `profiles` and `presets`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

/// Actions of `profiles`.
#[derive(Debug, Subcommand)]
pub enum ProfilesAction {
    /// The trade-off table.
    List,
    /// One profile in full, with its marks under the budget here.
    Show {
        /// Name or file.
        profile: String,
    },
    /// Check a file; tells every mistake with line, column and what is allowed.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print a profile for another system.
    #[command(subcommand)]
    Export(ExportTarget),
}

/// Targets of `profiles export`.
#[derive(Debug, Subcommand)]
pub enum ExportTarget {
    /// A render.yaml for Render: a server with its disk, or the workers and the database of a fleet.
    Render {
        /// Name or file.
        profile: String,
        /// A fleet of so many workers, and the database that holds their queue.
        #[arg(long, value_name = "N", value_parser = parse_workers)]
        workers: Option<NonZero<u16>>,
    },
}

/// Actions of `presets`.
#[derive(Debug, Subcommand)]
pub enum PresetsAction {
    /// All presets.
    List,
    /// One preset in full.
    Show {
        /// Name or file.
        preset: String,
    },
    /// Check a file; tells every mistake with line, column and what is allowed.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

fn parse_workers(text: &str) -> Result<NonZero<u16>, String> {
    text.parse().map_err(|_| format!("give a number of workers from 1 to {}", u16::MAX))
}
