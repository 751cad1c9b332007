//! The command line: what was asked for, turned into calls of the other floors and into text.

pub mod catalog;
