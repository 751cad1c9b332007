//! The real world: everything that touches files, processes and the machine's memory. Carries out what the engine
//! decides and reports what came of it; decides nothing itself.

pub mod budget;
pub mod cgroup;
pub mod cleanup;
pub mod heap;
pub mod kept;
pub mod ledger;
pub mod machine;
pub mod procfs;
pub mod resident;
pub mod sampler;
pub mod scratch;
//! The real world: files, processes, memory and the durable record. Knows the engine's port and the domain, nothing above.

pub mod arguments;
pub mod fileid;
pub mod probe;
pub mod publish;
pub mod scan;
pub mod store;
//! The real world: processes, files, memory, clocks. Carries out the engine's effects and knows nothing of screens.

pub mod diagnose;
pub mod joblog;
pub mod loggate;
pub mod logread;
pub mod progress;
pub mod spawner;
pub mod supervisor;

mod child;
mod peak;
mod watch;
//! The real world: processes, files, kernels and clocks. Knows nothing of profiles on disk, of screens or of the driver loop.

pub mod clips;
pub mod ffmpeg;
pub mod tool;
