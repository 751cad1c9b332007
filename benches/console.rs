//! What the console costs: the time of a frame, and the bytes it sends to the terminal.

fn main() {
    divan::main();
}
