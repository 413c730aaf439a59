//! What the benchmark programs of the workspace share: a clock that other programs do not disturb, memory, the
//! machine's name, a source of chance, and instruction counts by callgrind.
#![allow(dead_code, reason = "each program uses a part")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Nanoseconds that this thread has spent on a processor; waiting for one does not count.
pub(crate) fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A line of /proc/self/status in MiB.
pub(crate) fn memory_mib(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_line = |text: &str| text.strip_prefix(line)?.split_whitespace().next()?.parse::<f64>().ok();
    status.lines().find_map(of_line).unwrap_or_default() / 1024.0
}

/// Processor, cores and kernel, for the head of a table.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {cores} cores, Linux {}", model.unwrap_or("?"), kernel.trim())
}

/// The smallest of `times` measurements: what is above it is the machine's, not the program's.
pub(crate) fn least(times: u32, mut measure: impl FnMut() -> f64) -> f64 {
    (0..times).map(|_| measure()).fold(f64::INFINITY, f64::min)
}

/// Numbers without a pattern, the same in every run (xorshift64*).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

/// What a core of this kind of machine has for itself, for callgrind: 32 KiB, and 1 MiB behind it.
const CACHES: [&str; 4] = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,8,64"];

/// Lines of memory that were touched and not in a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Misses {
    /// In the first level.
    pub(crate) first: u64,
    /// In neither level of the core: they come from a shared cache or from memory.
    pub(crate) own: u64,
}

/// Instructions inside of `function` (a pattern of callgrind's) when this program is run with `args`; an explanation
/// when there is no valgrind.
pub(crate) fn instructions(function: &str, args: &[&str]) -> Result<u64, String> {
    Ok(callgrind(function, &[], args)?.first().copied().unwrap_or_default())
}

/// Cache misses of the same, simulated.
pub(crate) fn misses(function: &str, args: &[&str]) -> Result<Misses, String> {
    // Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw
    match callgrind(function, &CACHES, args)?[..] {
        [_, _, _, _, read, write, _, own_read, own_write] => {
            Ok(Misses { first: read + write, own: own_read + own_write })
        }
        _ => Err("callgrind counts something else than it did".to_owned()),
    }
}

/// Callgrind's totals, in its order.
fn callgrind(function: &str, options: &[&str], args: &[&str]) -> Result<Vec<u64>, String> {
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let out = here.with_file_name(format!("callgrind.out.{}", std::process::id()));
    let status = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(format!("--toggle-collect={function}"))
        .args(options)
        .arg(&here)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let result = match status {
        Err(_) => Err("valgrind is not installed (Debian: apt-get install valgrind)".to_owned()),
        Ok(status) if !status.success() => Err(format!("valgrind ended with {status}")),
        Ok(_) => totals(&out).ok_or_else(|| format!("{}: no totals in it", out.display())),
    };
    if std::env::var_os("SYSFLOW_KEEP_CALLGRIND").is_some() {
        println!("{}", out.display());
    } else {
        let _ = fs::remove_file(&out);
    }
    result
}

fn totals(file: &Path) -> Option<Vec<u64>> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    line.split_whitespace().map(|number| number.parse().ok()).collect()
}
