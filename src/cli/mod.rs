//! The command line: what each command does with the floors below it, and what it prints.

pub mod doctor;
pub mod provide;
