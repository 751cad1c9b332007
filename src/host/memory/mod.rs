//! Memory as the kernel tells it, and the cleanups that give some of it back.

pub mod budget;
pub mod cgroup;
pub mod cleanup;
pub mod heap;
pub mod jobgroup;
pub mod kept;
pub mod ledger;
pub mod machine;
pub mod procfs;
pub mod resident;
pub mod sampler;

pub(in crate::host) mod wake;
