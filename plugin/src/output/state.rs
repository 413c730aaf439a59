//! Who each process is, in a file that outlives us: after a restart ids are what they were before.
//!
//! ```text
//! file   head, then a line for each decision; the last of a pid counts
//! head   sysflow-identities 1 BOOT                                  BOOT: boot id, or a replay's first timestamp
//! line   PID TICKS TIME CREATED PARENT GRAPH FROM ROOT FLAGS CONTAINER    PARENT, ROOT: CREATED/PID
//! ```
//!
//! Each ends with the CRC32C of what stands before it. Lines are appended about once a second, for the processes that
//! are still there; a rotation and the end of a capture write the file anew, under another name first. What follows a
//! line that is torn or changed is not believed.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _, Write as _},
    mem,
    path::Path,
    time::{Duration, Instant},
};

use sysflow::{GraphId, Oid};
use sysflow_flow::Identity;

use super::directory::{Directory, DirectoryError};
use crate::own::{self, Clock, SAME_START};

const NAME: &str = "identities";
const TEMPORARY: &str = "identities.tmp";
const HEAD: &str = "sysflow-identities 1";
/// Larger files are not ours: a million processes take a quarter of that.
const MAX_BYTES: u64 = 1 << 30;
/// New decisions wait so long: a process that is gone by then needs no line.
const WAIT: Duration = Duration::from_secs(1);
/// So many are looked at in one turn of the thread.
const BATCH: usize = 1_000;
/// Events of different processors come out of order by less.
const DISORDER: i64 = 10_000_000;
/// A replay that is cut in two goes on within this time.
const CUT: i64 = 60_000_000_000;

/// A decision on its way to the file.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) pid: i64,
    /// Time of the event that brought it.
    pub(super) ts: i64,
    pub(super) identity: Identity,
}

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Known {
    boot: String,
    /// Time of the last decision.
    last: i64,
    entries: HashMap<i64, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Start of the process in ticks since the boot; 0 in a replay.
    ticks: i64,
    ts: i64,
    identity: Identity,
}

/// The file while the capture is open.
#[derive(Debug)]
pub(super) struct State {
    directory: Directory,
    boot: String,
    /// `None` in a replay, where no process of this machine is meant.
    live: Option<Clock>,
    entries: HashMap<i64, Entry>,
    waiting: HashMap<i64, Decision>,
    since: Instant,
    /// Where lines are appended; `None` after an error, until the file is written anew.
    file: Option<File>,
    /// Lines in the file.
    lines: usize,
    told: bool,
}

// === impl Known ===

impl Known {
    /// Reads the file in `dir`; nothing when there is none. What is broken in it is told on standard error.
    pub(crate) fn load(dir: &Path) -> Result<Self, DirectoryError> {
        let directory = Directory::open(dir)?;
        let read = || -> io::Result<String> {
            let mut bytes = Vec::new();
            directory.read(NAME)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Ok(text) => {
                let (known, broken) = Self::parse(&text);
                if let Some(line) = broken {
                    eprintln!(
                        "sysflow: {}/{NAME}: line {line} is damaged; processes that are told of there or after it get new ids",
                        dir.display()
                    );
                }
                Ok(known)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => {
                eprintln!("sysflow: cannot read {}/{NAME}: {e}; processes get new ids", dir.display());
                Ok(Self::default())
            }
        }
    }

    /// What a file says up to its first broken line, and the number of that.
    fn parse(text: &str) -> (Self, Option<usize>) {
        let mut known = Self::default();
        let mut lines = text.split_inclusive('\n').enumerate();
        let Some((_, head)) = lines.next() else { return (known, None) };
        let boot = checked(head).and_then(|head| head.strip_prefix(HEAD)?.strip_prefix(' '));
        let Some(boot) = boot else { return (known, Some(1)) };
        boot.clone_into(&mut known.boot);
        for (index, line) in lines {
            let Some((pid, entry)) = checked(line).and_then(parse_line) else {
                return (known, Some(index + 1));
            };
            known.last = known.last.max(entry.ts);
            known.entries.insert(pid, entry);
        }
        (known, None)
    }

    /// Forgets everything if it is of another boot.
    pub(crate) fn of_boot(mut self, boot: &str) -> Self {
        if self.boot != boot {
            self = Self { boot: boot.to_owned(), ..Self::default() };
        }
        self
    }

    /// For a replay whose first event is at `first`: keeps what the part before it has left behind, and forgets what any
    /// other replay has.
    pub(crate) fn of_replay(self, first: i64) -> Self {
        let goes_on = !self.entries.is_empty()
            && self.boot.starts_with("replay-")
            && (self.last.saturating_sub(DISORDER)..=self.last.saturating_add(CUT)).contains(&first);
        if goes_on { self } else { Self { boot: format!("replay-{first}"), ..Self::default() } }
    }

    /// The process that has this pid and was started at this time.
    pub(crate) fn identity(&self, pid: i64, ticks: i64) -> Option<Identity> {
        let entry = self.entries.get(&pid)?;
        (entry.ticks == ticks).then(|| entry.identity.clone())
    }
}

// === impl State ===

impl State {
    /// Goes on from what is `known`. Writes nothing yet.
    pub(super) fn new(dir: &Path, known: Known, live: bool) -> Result<Self, DirectoryError> {
        let live = live.then(Clock::of_host).flatten();
        Ok(Self {
            directory: Directory::open(dir)?,
            boot: known.boot,
            live,
            entries: known.entries,
            waiting: HashMap::new(),
            since: Instant::now(),
            file: None,
            lines: 0,
            told: false,
        })
    }

    pub(super) fn note(&mut self, decision: Decision) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.insert(decision.pid, decision);
    }

    /// Appends what has waited long enough. True when more of it waits.
    pub(super) fn tend(&mut self) -> bool {
        if self.waiting.is_empty() || self.since.elapsed() < WAIT {
            return false;
        }
        let batch: Vec<i64> = self.waiting.keys().copied().take(BATCH).collect();
        let mut lines = String::new();
        let mut count = 0;
        for decision in batch.iter().filter_map(|pid| self.waiting.remove(pid)).collect::<Vec<_>>() {
            if let Some(entry) = self.entry(decision.ts, decision.identity) {
                write_line(decision.pid, &entry, &mut lines);
                self.entries.insert(decision.pid, entry);
                count += 1;
            }
        }
        if self.file.is_none() {
            // The first time, or after an error: the file as a whole.
            self.rewrite();
        } else if let Some(file) = &mut self.file {
            match file.write_all(lines.as_bytes()) {
                Ok(()) => self.lines += count,
                Err(error) => self.broken(&error),
            }
        }
        !self.waiting.is_empty()
    }

    /// A rotation: the file is written anew if it has got long by what is out of date.
    pub(super) fn rotate(&mut self) {
        if self.lines <= self.entries.len() / 2 * 3 + 1_000 && self.file.is_some() {
            return;
        }
        if self.live.is_some() {
            self.entries.retain(|pid, entry| own::start_ticks(*pid) == Some(entry.ticks));
        }
        if self.lines > self.entries.len() || self.file.is_none() {
            self.rewrite();
        }
    }

    /// The end: `last` are the processes that are there, if that is known. False when the file could not be written.
    pub(super) fn finish(&mut self, last: Option<&[Decision]>) -> bool {
        let waiting = mem::take(&mut self.waiting).into_values();
        let decisions: Vec<Decision> = match last {
            Some(last) => last.to_vec(),
            None => waiting.collect(),
        };
        let there: HashMap<i64, Entry> = decisions
            .into_iter()
            .filter_map(|decision| Some((decision.pid, self.entry(decision.ts, decision.identity)?)))
            .collect();
        if last.is_some() {
            self.entries = there;
        } else {
            self.entries.extend(there);
        }
        self.rewrite();
        self.file.is_some()
    }

    /// The entry of a process: `None` when it is gone, or another has its pid by now.
    fn entry(&self, ts: i64, identity: Identity) -> Option<Entry> {
        let Some(live) = self.live else { return Some(Entry { ticks: 0, ts, identity }) };
        let (pid, created) = (identity.oid.hpid, identity.oid.create_ts);
        let ticks = own::start_ticks(pid)?;
        let known = self.entries.get(&pid);
        let same = if let Some(known) = known.filter(|known| known.identity.oid == identity.oid) {
            // The clock may have been set since.
            known.ticks == ticks
        } else {
            let started = live.since_epoch(ticks);
            created == 0 || started.abs_diff(created) <= SAME_START
        };
        same.then_some(Entry { ticks, ts, identity })
    }

    fn rewrite(&mut self) {
        match self.write_anew() {
            Ok(file) => {
                self.file = Some(file);
                self.lines = self.entries.len();
                self.told = false;
            }
            Err(error) => self.broken(&error),
        }
    }

    fn write_anew(&self) -> io::Result<File> {
        match self.directory.remove(TEMPORARY) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut text = String::new();
        seal(&format!("{HEAD} {}", self.boot), &mut text);
        for (pid, entry) in &self.entries {
            write_line(*pid, entry, &mut text);
        }
        let mut file = self.directory.create(TEMPORARY)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        self.directory.replace(TEMPORARY, NAME)?;
        Ok(file)
    }

    fn broken(&mut self, error: &io::Error) {
        self.file = None;
        if !self.told {
            self.told = true;
            let path = self.directory.path.display();
            eprintln!(
                "sysflow: cannot write {path}/{NAME}: {error}; processes may get new ids after a restart"
            );
        }
    }
}

fn write_line(pid: i64, entry: &Entry, out: &mut String) {
    let Entry { ticks, ts, identity } = entry;
    let oid = |oid: Oid| format!("{}/{}", oid.create_ts, oid.hpid);
    let parent = identity.poid.map_or_else(|| "-".into(), oid);
    let from = identity.parent_graph.map_or_else(|| "-".into(), |id| id.to_string());
    let flags =
        u8::from(identity.judged) | u8::from(identity.serves) << 1 | u8::from(identity.parent_serves) << 2;
    // A name from outside has no blanks and no ends of lines in it this way.
    let container = identity.birth_container.bytes().fold(String::from("-"), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let line = format!(
        "{pid} {ticks} {ts} {} {parent} {} {from} {} {flags} {container}",
        identity.oid.create_ts,
        identity.graph,
        oid(identity.root),
    );
    seal(&line, out);
}

fn parse_line(line: &str) -> Option<(i64, Entry)> {
    let mut fields = line.split(' ');
    let mut next = || fields.next();
    let number = |text: &str| text.parse::<i64>().ok();
    let oid = |text: &str| {
        let (create_ts, hpid) = text.split_once('/')?;
        Some(Oid { create_ts: number(create_ts)?, hpid: number(hpid)? })
    };
    let pid = number(next()?)?;
    let (ticks, ts, create_ts) = (number(next()?)?, number(next()?)?, number(next()?)?);
    let poid = match next()? {
        "-" => None,
        text => Some(oid(text)?),
    };
    let graph = GraphId::parse(next()?)?;
    let parent_graph = match next()? {
        "-" => None,
        text => Some(GraphId::parse(text)?),
    };
    let root = oid(next()?)?;
    let flags: u8 = next()?.parse().ok()?;
    let hex = next()?.strip_prefix('-')?.as_bytes();
    let bytes: Option<Vec<u8>> =
        hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let birth_container = String::from_utf8(bytes?).ok()?;
    let identity = Identity {
        oid: Oid { create_ts, hpid: pid },
        poid,
        graph,
        parent_graph,
        root,
        judged: flags & 1 != 0,
        serves: flags & 2 != 0,
        parent_serves: flags & 4 != 0,
        birth_container,
    };
    next().is_none().then_some((pid, Entry { ticks, ts, identity }))
}

/// Appends a line with its checksum.
fn seal(line: &str, out: &mut String) {
    let _ = writeln!(out, "{line} {:08x}", crc32c::crc32c(line.as_bytes()));
}

/// A whole line without its checksum; `None` when that is wrong.
fn checked(line: &str) -> Option<&str> {
    let (line, sum) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    (u32::from_str_radix(sum, 16).ok()? == crc32c::crc32c(line.as_bytes())).then_some(line)
}

#[cfg(test)]
mod tests;
