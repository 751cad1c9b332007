//! How a process with many threads makes itself stand still.

/// Stops this process (SIGSTOP); returns when it goes on, and not before.
///
/// The signal goes to the calling thread, which takes it before the call returns. Sent to the process it would be another
/// thread's to take, and until that one gets a processor this one would do what is meant for afterwards.
pub fn stop_this_process() {
    // SAFETY: a plain number.
    unsafe { libc::raise(libc::SIGSTOP) };
}
