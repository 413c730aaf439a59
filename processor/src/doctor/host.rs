//! The machine itself: room and rights for the store.

use std::path::Path;

use super::Finding;
use crate::config::Config;

/// Room that archive, queue and checkpoint need beside what the archive may take.
const SLACK: u64 = 1 << 30;

const MIB: u64 = 1 << 20;

/// Whether the store can be written and has room. Nothing is left there.
pub(super) fn store(config: &Config) -> Finding {
    const CHECK: &str = "store";
    let Some(store) = &config.store else {
        return Finding::warning(
            CHECK,
            "no store is configured: records, alerts on their way and graphs end with the process",
            "set store: /var/lib/sysflow",
        );
    };
    // It is made when it does not exist: then its place has to be writable.
    let there = store.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Finding::problem(
            CHECK,
            format!("{} is no directory", there.display()),
            "remove it, or choose another store",
        );
    }
    if let Err(error) = tempfile::tempfile_in(there) {
        return Finding::problem(
            CHECK,
            format!("{} cannot be written: {error}", there.display()),
            "let the user of the service write there, or choose another store",
        );
    }
    let room = match rustix::fs::statvfs(there) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return Finding::unknown(CHECK, format!("{}: {error}", there.display()), "try `df`"),
    };
    let taken = size(&store.join("archive"));
    let wanted = (config.archive.max_mib.saturating_mul(MIB)).saturating_sub(taken).saturating_add(SLACK);
    let message = format!(
        "{}: {} MiB free, {} MiB of archive, which may grow to {} MiB",
        store.display(),
        room / MIB,
        taken / MIB,
        config.archive.max_mib
    );
    if room < wanted {
        let fix = format!("free {} MiB, or lower archive.max_mib", (wanted - room).div_ceil(MIB));
        return Finding::warning(CHECK, message, fix);
    }
    Finding::ok(CHECK, message)
}

/// Bytes of the files in a directory.
fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}
