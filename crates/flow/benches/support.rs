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

/// Instructions inside of `function` (a pattern of callgrind's) when this program is run with `args`; an explanation
/// when there is no valgrind.
pub(crate) fn instructions(function: &str, args: &[&str]) -> Result<u64, String> {
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let out = here.with_file_name(format!("callgrind.out.{}", std::process::id()));
    let status = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(format!("--toggle-collect={function}"))
        .arg(&here)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let result = match status {
        Err(_) => Err("valgrind is not installed (Debian: apt-get install valgrind)".to_owned()),
        Ok(status) if !status.success() => Err(format!("valgrind ended with {status}")),
        Ok(_) => total(&out).ok_or_else(|| format!("{}: no total in it", out.display())),
    };
    if std::env::var_os("SYSFLOW_KEEP_CALLGRIND").is_some() {
        println!("{}", out.display());
    } else {
        let _ = fs::remove_file(&out);
    }
    result
}

fn total(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}
