//! What it costs to start jobs: one alone, a whole queue of trivial ones, and a step of the engine behind a long queue.

fn main() {
    divan::main();
}
