//! A thread that does one piece of work after the other, so that whoever orders it never waits.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

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
