//! Short fuzzing as an ordinary test: inputs that are nearly right, the same ones on every run.
//!
//! The targets are those of cargo-fuzz, which goes further (see CONTRIBUTING.md); this finds what a change breaks at
//! once. `SYSFLOW_FUZZ=100` makes it a hundred times as many; `SYSFLOW_FUZZ_SEEDS=/some/dir` writes what it starts from
//! there, a directory for each test, for cargo-fuzz to start from too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Numbers at which lengths and counts break.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, i64::MAX as u64, u64::MAX];

/// Gives `target` the seeds, then `rounds` of what can be made of them.
pub(crate) fn run(seed: u64, rounds: usize, seeds: &[Vec<u8>], target: fn(&[u8])) {
    let times: usize =
        std::env::var("SYSFLOW_FUZZ").map_or(1, |times| times.parse().expect("SYSFLOW_FUZZ is a number"));
    if let Some(dir) = std::env::var_os("SYSFLOW_FUZZ_SEEDS") {
        keep(seeds, Path::new(&dir));
    }
    let mut random = Random(seed);
    let attempt = |what: String, input: &[u8]| {
        let result = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(result.is_ok(), "{what} panics; {} bytes: {}", input.len(), input.escape_ascii());
    };
    for (index, input) in seeds.iter().enumerate() {
        attempt(format!("seed {index}"), input);
    }
    for round in 0..rounds.saturating_mul(times) {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, seeds, &mut random);
        }
        attempt(format!("round {round}"), &input);
    }
}

/// Writes the seeds below `dir`, in a directory with the name of the test.
fn keep(seeds: &[Vec<u8>], dir: &Path) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("seeds");
    let dir = dir.join(test.rsplit(':').next().unwrap_or(test));
    std::fs::create_dir_all(&dir).expect("the directory for seeds can be made");
    for (index, seed) in seeds.iter().enumerate() {
        std::fs::write(dir.join(index.to_string()), seed).expect("a seed can be written");
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let len = random.below(32).min(input.len() - at);
    match random.below(8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 | 2 => {
            let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][random.below(4)].min(input.len() - at);
            input[at..at + width].copy_from_slice(&edge[..width]);
        }
        3 => drop(input.drain(at..at + len)),
        4 => {
            let copy = input[at..at + len].to_vec();
            input.splice(at..at, copy);
        }
        5 => {
            let noise: Vec<u8> = (0..random.below(16)).map(|_| random.next() as u8).collect();
            input.splice(at..at, noise);
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input.truncate(at),
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
