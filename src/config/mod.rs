//! YAML in, validated facts of the domain out, with file, line, column, field and what is allowed in every mistake.
//!
//! Knows profiles, presets, settings and queue files, and where to look for them. Knows nothing of flags, screens or the
//! engine, and runs nothing.

mod de;
pub mod preset;
pub mod profile;
pub mod queue;
mod read;
pub mod save;
pub mod search;
pub mod settings;
pub(crate) mod spell;
pub mod watch;
pub mod yaml;

pub(crate) use de::as_yaml;
pub(crate) use read::{is_file_name, name_beside};
