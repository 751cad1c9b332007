//! A load job whose memory somebody else steers, line by line. Ends when its orders do.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::{Load, LoadError, MAX_LOAD, PIECE, TICK, own_anonymous};
use crate::domain::units::Bytes;

/// What is taken or given back in one tick: some 450 MB/s, as an encoder grows.
const STEP: Bytes = Bytes(9 * PIECE as u64);

/// Holds what it is told. Each line of `orders` is a number of MB (1024² bytes, 0 to 65536); what is held moves there as
/// quickly as an encoder would grow. Lines that are no such number are passed over. Returns when the orders end: whoever
/// gives them need not be alive to end it.
pub fn run_steered(orders: impl Read + Send + 'static) -> Result<(), LoadError> {
    let (sender, targets) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(orders).lines().map_while(Result::ok) {
            let target = line.trim().parse::<u64>().ok().filter(|mb| *mb <= MAX_LOAD.0 / PIECE as u64).map(Bytes::mib);
            if target.is_some_and(|target| sender.send(target).is_err()) {
                return;
            }
        }
    });
    let mut load = Load { pieces: Vec::new(), baseline: own_anonymous() };
    let (mut held, mut target) = (load.baseline, load.baseline);
    loop {
        let order = if held == target { targets.recv().map_err(RecvTimeoutError::from) } else { targets.recv_timeout(TICK) };
        match order {
            Ok(order) => target = order,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        held = if held < target { target.min(held + STEP) } else { target.max(held - STEP) };
        load.follow(held)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::{Duration, Instant};

    #[test]
    #[allow(clippy::disallowed_methods)] // a deadline needs the clock
    fn it_holds_what_the_last_line_says_and_ends_with_its_orders() {
        let (orders, mut give) = std::io::pipe().expect("a pipe");
        let steered = thread::spawn(|| run_steered(orders));
        let before = own_anonymous();
        give.write_all(b"nonsense\n99999999999\n").expect("written");
        writeln!(give, "{}", before.0 / PIECE as u64 + 300).expect("written");
        let deadline = Instant::now() + Duration::from_secs(30);
        // Half of it: other tests of this process may give memory back meanwhile.
        while own_anonymous() < before + Bytes::mib(150) {
            assert!(Instant::now() < deadline, "it never grew: {} of {before}", own_anonymous());
            thread::sleep(TICK);
        }
        drop(give);
        steered.join().expect("no panic").expect("no error");
    }
}
