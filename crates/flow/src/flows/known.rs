//! Which flow bytes go through that a thread moves on a descriptor: what is asked most often, answered from one line of
//! memory.
//!
//! An answer is what the search through thread, process, descriptor and list of flows has found before. There is none
//! after one of these has changed, or when the line was full: then the search is made again.

/// Lines of 64 bytes, each with eight tags and, after them, the eight flows that they belong to.
#[derive(Debug)]
pub(crate) struct Known {
    /// Zeroed by the system when it is made, so that growing costs nothing at once.
    words: Vec<u32>,
    /// Where the first line begins, for lines to be lines of the cache.
    first: usize,
    /// Lines less one; a power of two less one.
    mask: usize,
}

/// A flow that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownFlow(u32);

/// Entries of a line, and words.
const WAYS: usize = 8;
const WORDS: usize = 2 * WAYS;
/// The address of the peer that comes with the bytes changes nothing any more.
const SETTLED: u32 = 1 << 31;
/// Lines at the beginning.
const LINES: usize = 16;

// === impl KnownFlow ===

impl KnownFlow {
    pub(crate) fn index(self) -> u32 {
        (self.0 & !SETTLED).wrapping_sub(1)
    }

    pub(crate) fn is_settled(self) -> bool {
        self.0 & SETTLED != 0
    }
}

// === impl Known ===

impl Known {
    fn with_lines(lines: usize) -> Self {
        let words = vec![0; (lines + 1) * WORDS];
        let beyond = words.as_ptr() as usize % (WORDS * 4) / 4;
        Self { words, first: (WORDS - beyond) % WORDS, mask: lines - 1 }
    }

    /// What is known of a thread and descriptor. Whether it still holds is for the flow itself to say.
    #[inline]
    pub(crate) fn find(&self, tid: i64, fd: i64) -> Option<KnownFlow> {
        let hash = hash(tid, fd);
        let line = self.words.get(self.at(hash)..)?.first_chunk::<WORDS>()?;
        let tag = tag(hash);
        // No way out in between: the processor need not guess which of the eight it is.
        let mut found = 0;
        for way in 0..WAYS {
            found |= if line[way] == tag { line[WAYS + way] } else { 0 };
        }
        (found != 0).then_some(KnownFlow(found))
    }

    /// Remembers a flow; `flows` is how many there are.
    pub(crate) fn insert(&mut self, tid: i64, fd: i64, index: u32, settled: bool, flows: usize) {
        if index >= SETTLED - 1 {
            return;
        }
        // Six and a half of eight: more would push each other out.
        if flows * 2 > (self.mask + 1) * 13 {
            *self = Self::with_lines(2 * (self.mask + 1));
        }
        let hash = hash(tid, fd);
        let Some(line) = self.line(hash) else { return };
        let tag = tag(hash);
        let (tags, flows) = line.split_at_mut(WAYS);
        let same = tags.iter().position(|of| *of == tag);
        let way = same.or_else(|| flows.iter().position(|flow| *flow == 0));
        let way = way.unwrap_or((hash >> 29) as usize % WAYS);
        tags[way] = tag;
        flows[way] = (index + 1) | if settled { SETTLED } else { 0 };
    }

    /// Forgets a flow.
    pub(crate) fn remove(&mut self, tid: i64, fd: i64, index: u32) {
        let hash = hash(tid, fd);
        let Some(line) = self.line(hash) else { return };
        for way in WAYS..WORDS {
            if KnownFlow(line[way]).index() == index && line[way - WAYS] == tag(hash) {
                (line[way - WAYS], line[way]) = (0, 0);
            }
        }
    }

    #[inline]
    fn at(&self, hash: u64) -> usize {
        self.first + (hash as usize & self.mask) * WORDS
    }

    fn line(&mut self, hash: u64) -> Option<&mut [u32; WORDS]> {
        let at = self.at(hash);
        self.words.get_mut(at..)?.first_chunk_mut()
    }
}

impl Default for Known {
    fn default() -> Self {
        Self::with_lines(LINES)
    }
}

/// Neighbours in both numbers go to lines as if by chance: without the last step one in twenty finds its line full that
/// would not. Whoever makes keys that have one line gains nothing: then they are searched for.
#[inline]
fn hash(tid: i64, fd: i64) -> u64 {
    let key = (tid as u64).rotate_left(32) ^ fd as u64;
    let wide = u128::from(key ^ 0x2436_f6a8_885a_308d) * 0x9e37_79b9_7f4a_7c15;
    let mixed = (wide as u64) ^ (wide >> 64) as u64;
    mixed ^ (mixed >> 29)
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use sysflow::Record;

    use super::*;
    use crate::{
        Compat, Config, Event, Initial, NoHost, Op, Recorder,
        op::{AT_FDCWD, Addr, Clone, Endpoint, Open, Tuple, clone_flags},
    };

    const PATHS: [&[u8]; 3] = [b"/a", b"/b", b"c"];

    fn tuple(peer: u8) -> Tuple<'static> {
        let end = |ip: u8, port| Endpoint { ip: [10, 0, 0, ip].into(), port };
        Tuple::Inet { source: end(1, 4_000), dest: end(peer, 80) }
    }

    /// Few threads, descriptors and files, so that ids and numbers come again as something else.
    fn operation() -> impl Strategy<Value = (i64, Op<'static>)> {
        let (tid, fd, peer) = (100..105_i64, 3..6_i64, 2..4_u8);
        let number = (fd.clone(), fd.clone());
        let flags =
            prop_oneof![Just(0), Just(clone_flags::FILES), Just(clone_flags::THREAD | clone_flags::FILES),];
        let op = prop_oneof![
            6 => (fd.clone(), any::<bool>()).prop_map(|(fd, reads)| {
                if reads { Op::Read { ret: 5, fd, tuple: None } } else { Op::Write { ret: 5, fd, tuple: None } }
            }),
            3 => (fd.clone(), peer.clone(), any::<bool>()).prop_map(|(fd, peer, reads)| {
                let tuple = Some(tuple(peer));
                if reads { Op::Read { ret: 7, fd, tuple } } else { Op::Write { ret: 7, fd, tuple } }
            }),
            3 => (fd.clone(), 0..PATHS.len()).prop_map(|(ret, path)| {
                Op::Open(Open { ret, dirfd: AT_FDCWD, path: PATHS[path], flags: 3, ..Open::default() })
            }),
            2 => (fd.clone(), -9..1_i64).prop_map(|(fd, ret)| Op::Close { ret, fd }),
            1 => (fd.clone(), 1..3_u32).prop_map(|(ret, kind)| Op::Socket { ret, domain: 2, kind, proto: 0 }),
            1 => (fd.clone(), peer).prop_map(|(fd, peer)| {
                Op::Connect { ret: 0, fd, tuple: Some(tuple(peer)), addr: None }
            }),
            1 => fd.clone().prop_map(|fd| {
                let addr = Some(Addr::Inet(Endpoint { ip: [10, 0, 0, 1].into(), port: 9 }));
                Op::Bind { ret: 0, fd, addr }
            }),
            1 => number.clone().prop_map(|(ret, old)| Op::Dup { ret, old, cloexec: ret == 4 }),
            1 => number.prop_map(|(from, to)| Op::Transfer { ret: 3, from, to }),
            1 => Just(Op::CloseRange { ret: 0, first: 4, last: 5, cloexec: false }),
            1 => Just(Op::Unshare { ret: 0, flags: clone_flags::FILES }),
            1 => Just(Op::Exit { status: 0 }),
            2 => (100..105_i64, flags).prop_map(|(ret, flags)| {
                Op::Clone(Clone { ret, flags, ..Clone::default() })
            }),
        ];
        (tid, op)
    }

    /// What becomes of the operations; with `searches` nothing is ever known.
    fn records(ops: &[(i64, Op<'_>)], compat: Compat, own: usize, searches: bool) -> Vec<Record> {
        let mut recorder = Recorder::new(Config { compat, ..Config::default() });
        let mut records = Vec::new();
        recorder.start([Initial { tid: 100, pid: 100, ..Initial::default() }], &mut records);
        for (at, (tid, op)) in ops.iter().enumerate() {
            if searches {
                recorder.known = Known::default();
            }
            if at == own {
                recorder.ignore_process(102);
            }
            let event =
                Event { ts: 1_700_000_000_000_000_000 + at as i64 * 300_000_000, tid: *tid, op: op.clone() };
            recorder.apply(&event, &mut NoHost, &mut records);
        }
        recorder.finish(&mut records);
        records
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_known_is_what_a_search_finds(
            ops in vec(operation(), 1..120),
            collector in any::<bool>(),
            own in 0..200_usize,
        ) {
            let compat = if collector { Compat::SysflowTests } else { Compat::None };
            prop_assert_eq!(records(&ops, compat, own, false), records(&ops, compat, own, true));
        }
    }

    #[test]
    fn a_flow_is_known_until_it_is_forgotten() {
        let mut known = Known::default();
        known.insert(7, 3, 0, true, 1);
        known.insert(7, 4, 9, false, 1);
        let find = |known: &Known, fd| known.find(7, fd).map(|flow| (flow.index(), flow.is_settled()));
        assert_eq!(
            (find(&known, 3), find(&known, 4), find(&known, 5)),
            (Some((0, true)), Some((9, false)), None)
        );
        known.insert(7, 3, 2, false, 1);
        assert_eq!(find(&known, 3), Some((2, false)), "the later one holds");
        known.remove(7, 3, 0);
        assert_eq!(find(&known, 3), Some((2, false)), "another flow was forgotten");
        known.remove(7, 3, 2);
        known.remove(7, 4, 9);
        assert!(known.words.iter().all(|word| *word == 0));
    }

    #[test]
    fn nearly_all_of_many_are_known_and_none_is_another() {
        let mut known = Known::default();
        let flows = 240_000;
        let keys = || (0..flows).map(|n| (1_000 + n / 10, n % 10));
        for round in 0..3 {
            for (index, (tid, fd)) in (0..).zip(keys()) {
                match known.find(tid, fd) {
                    Some(flow) => assert_eq!(flow.index(), index),
                    None => known.insert(tid, fd, index, round > 0, flows as usize),
                }
            }
        }
        let missing = keys().filter(|(tid, fd)| known.find(*tid, *fd).is_none()).count();
        // Which lines are full is left to chance: one in 200 finds no room in them.
        assert!(missing < flows as usize / 100, "{missing}");
        assert_eq!(known.words[known.first..].as_ptr() as usize % 64, 0);
    }

    #[test]
    fn an_index_without_room_for_it_is_not_kept() {
        let mut known = Known::default();
        for index in [SETTLED - 1, SETTLED, u32::MAX] {
            known.insert(1, 1, index, true, 1);
        }
        known.insert(1, 1, SETTLED - 2, false, 1);
        assert_eq!(known.find(1, 1).map(KnownFlow::index), Some(SETTLED - 2));
        assert_eq!(known.find(1, 1).map(KnownFlow::is_settled), Some(false));
    }
}
