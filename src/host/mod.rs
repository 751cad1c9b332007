//! The real world: processes, files, memory, kernels and clocks. Carries out what the engine decides and reports what came
//! of it; decides nothing itself and knows nothing of screens.

pub mod arguments;
pub mod budget;
pub mod cgroup;
pub mod childrun;
pub mod cleanup;
pub mod clips;
pub mod comparisons;
pub mod course;
pub mod curves;
pub mod damage;
pub mod diagnose;
pub mod doctor;
pub mod fence;
pub mod ffmpeg;
pub mod fileid;
mod fsops;
pub mod heap;
pub mod instance;
pub mod intent;
pub mod jobgroup;
pub mod joblog;
pub mod jobstore;
pub mod kept;
pub mod lane;
pub mod ledger;
pub mod lives;
pub mod loadjob;
pub mod loggate;
pub mod logread;
pub mod machine;
pub mod mark;
pub mod naming;
pub mod picture;
pub mod probe;
pub mod procfs;
pub mod progress;
pub mod provide;
pub mod publish;
pub mod rank;
pub mod real;
pub mod resident;
pub mod rungroup;
pub mod sampler;
pub mod scan;
pub mod scratch;
pub mod sniff;
pub mod sound;
pub mod spawner;
pub mod standstill;
pub mod store;
pub mod structure;
pub mod supervisor;
pub mod tally;
pub mod tool;
pub mod tracks;
pub mod verify;
pub mod walk;
pub mod workplace;

mod child;
#[cfg(test)]
mod fixtures;
mod peak;
#[cfg(test)]
#[path = "../../tests/support/skip.rs"]
mod skip;
mod slots;
mod wake;
mod watch;
