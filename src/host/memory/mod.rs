//! Memory as the kernel tells it, and the cleanups that give some of it back.

pub mod budget;
pub mod cgroup;
pub mod cleanup;
pub mod file_ledger;
pub mod heap;
pub mod job_cgroup;
pub mod kernel_file;
pub mod machine;
pub mod page_cache;
pub mod procfs;
pub mod sampler;

pub(in crate::host) mod pressure;
