//! What campaigns of random deaths share.

use std::fs;

use super::World;
use super::clips::clips;

/// Numbers that follow from a seed: a campaign that fails can be run again.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A world with equal clips in `in`, of which every output must be the same, byte by byte.
pub struct EqualClips {
    pub world: World,
    /// What `proxy-480p` makes of each.
    pub wanted: Vec<u8>,
}

impl EqualClips {
    pub fn new(jobs: usize) -> Self {
        let world = World::new();
        for number in 0..jobs {
            world.put(&clips().tiny(), format!("{number:03}.mp4"));
        }
        let reference = World::new();
        reference.put(&clips().tiny(), "a.mp4");
        assert_eq!(reference.run(&["--preset", "proxy-480p"]).code(), Some(0));
        let wanted = fs::read(reference.path("out/a.proxy-480p.mp4")).expect("made");
        Self { world, wanted }
    }
}
