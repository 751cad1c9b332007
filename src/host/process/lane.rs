//! A thread that does one piece of work after the other, so that whoever orders it never waits.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

/// The thread. Dropping it waits for the work in hand and leaves out the rest.
#[derive(Debug)]
pub struct Lane {
    orders: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    over: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Lane {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(name: &str) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel::<Work>();
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_over = std::sync::Arc::clone(&over);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            for work in queue {
                if is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                // One piece of work that panics has told so; the next is not its fault.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            }
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread), over })
    }

    /// Leaves the work in hand to itself and the rest undone: for the end of the process, which must not wait for a slow
    /// disk.
    pub fn leave(mut self) {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        self.orders = None;
        self.thread = None;
    }

    /// Orders a piece of work.
    pub fn order(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(orders) = &self.orders {
            // Fails only when the thread has ended.
            let _ = orders.send(Box::new(work));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Drops what waits for threads of its own, and waits so long for that at most; false = it goes on by itself.
pub fn ends_within(most: Duration, ends: impl Send + 'static) -> bool {
    let (told, ended) = mpsc::channel();
    let ending = std::thread::Builder::new().name("end".to_owned()).spawn(move || {
        drop(ends);
        let _ = told.send(());
    });
    // Without a thread it was dropped here.
    ending.is_err() || ended.recv_timeout(most).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_is_waited_for_only_so_long_and_other_work_to_its_end() {
        let (quick, hangs) = (Lane::new("quick").expect("a thread"), Lane::new("hangs").expect("a thread"));
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (begun, has_begun) = mpsc::channel();
        let told = std::sync::Arc::clone(&done);
        quick.order(move || {
            let _ = begun.send(());
            told.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        has_begun.recv().expect("it begins");
        assert!(ends_within(Duration::from_mins(1), quick) && done.load(std::sync::atomic::Ordering::Relaxed));
        let (begun, has_begun) = mpsc::channel();
        let (let_go, wait) = mpsc::channel::<()>();
        hangs.order(move || {
            let _ = begun.send(());
            let _ = wait.recv();
        });
        has_begun.recv().expect("it begins");
        assert!(!ends_within(Duration::from_millis(10), hangs));
        drop(let_go);
    }
}
