//! The real world: files, processes, memory and the durable record. Knows the engine's port and the domain, nothing above.

pub mod arguments;
pub mod fileid;
pub mod probe;
pub mod publish;
pub mod scan;
pub mod store;

#[cfg(test)]
mod fixtures;
