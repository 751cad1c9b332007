<<<<<<< HEAD
//! The command line: what was asked for, turned into calls of the other floors and into text.

pub mod catalog;
=======
//! The command line: what each command does with the floors below it, and what it prints.

pub mod doctor;
pub mod provide;
>>>>>>> ffmpeg
