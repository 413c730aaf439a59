use super::*;

fn identity(pid: i64, create_ts: i64) -> Identity {
    let oid = Oid { create_ts, hpid: pid };
    Identity {
        oid,
        poid: Some(Oid { create_ts: 0, hpid: 1 }),
        graph: GraphId::new("node", oid),
        parent_graph: (pid % 2 == 0).then(|| GraphId::new("node", Oid::default())),
        root: oid,
        judged: pid % 3 == 0,
        serves: pid % 5 == 0,
        parent_serves: true,
        birth_container: if pid % 2 == 0 { String::new() } else { "a b\nc".into() },
    }
}

fn decision(pid: i64, ts: i64) -> Decision {
    Decision { pid, ts, identity: identity(pid, ts) }
}

/// A file of a replay with pids 1 to 9, as the end of a capture leaves it.
fn file_of_nine(dir: &Path) {
    let mut state = State::new(dir, Known::default().of_replay(5), false).unwrap();
    for pid in 1..10 {
        state.note(decision(pid, 100 * pid));
    }
    assert!(state.finish(None));
}

fn pids(known: &Known) -> Vec<i64> {
    let mut pids: Vec<i64> = known.entries.keys().copied().collect();
    pids.sort_unstable();
    pids
}

#[test]
fn what_was_decided_is_read_again() {
    let temp = tempfile::tempdir().unwrap();
    file_of_nine(temp.path().join("d").as_path());
    let known = Known::load(&temp.path().join("d")).unwrap().of_replay(950);
    for pid in 1..10 {
        assert_eq!(known.identity(pid, 0), Some(identity(pid, 100 * pid)));
    }
    assert_eq!(known.identity(10, 0), None);
    assert_eq!(known.identity(1, 4711), None, "another process with this pid");
    assert_eq!(known.boot, "replay-5", "it goes on under the name that it began with");
}

#[test]
fn another_replay_or_another_boot_begins_anew() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    file_of_nine(&dir);
    let load = || Known::load(&dir).unwrap();
    assert!(load().of_replay(5 - DISORDER).entries.is_empty(), "from the beginning");
    assert!(load().of_replay(900 + 2 * CUT).entries.is_empty(), "much later");
    assert!(load().of_boot("2b8d1e5c").entries.is_empty(), "this machine");
    let mut state = State::new(&dir, load().of_boot("2b8d1e5c"), false).unwrap();
    state.finish(None);
    assert_eq!(load().of_boot("2b8d1e5c").boot, "2b8d1e5c");
    assert!(load().of_replay(950).entries.is_empty());
}

#[test]
fn a_broken_tail_costs_what_is_in_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    file_of_nine(&dir);
    let whole = std::fs::read_to_string(dir.join(NAME)).unwrap();
    assert_eq!(whole.lines().count(), 10);
    for cut in 0..whole.len() {
        let (known, broken) = Known::parse(&whole[..cut]);
        let lines = whole[..cut].matches('\n').count();
        assert_eq!(known.entries.len(), lines.saturating_sub(1), "cut at {cut}");
        assert_eq!(broken.is_some(), cut > 0 && !whole[..cut].ends_with('\n'), "cut at {cut}");
    }
    let order: Vec<i64> =
        whole.lines().skip(1).map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 0x15;
        let (known, broken) = Known::parse(&String::from_utf8_lossy(&bytes));
        let line = whole[..at].matches('\n').count() + 1;
        assert!(broken.is_some_and(|broken| broken <= line + 1), "{at}: {broken:?}");
        let mut want = order[..line.saturating_sub(2)].to_vec();
        want.sort_unstable();
        assert_eq!(pids(&known), want, "byte {at} of line {line}");
    }
}

#[test]
fn lines_are_there_without_an_end() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    let mut state = State::new(&dir, Known::default().of_replay(5), false).unwrap();
    for round in 0..3 {
        state.note(decision(7, 100 + round));
        state.note(decision(8 + round, 100));
        state.since -= WAIT;
        assert!(!state.tend());
    }
    drop(state);
    let known = Known::load(&dir).unwrap();
    assert_eq!(pids(&known), [7, 8, 9, 10]);
    assert_eq!(known.entries[&7].ts, 102, "the last line of a pid counts");
    // What is out of date goes at a rotation.
    let mut state = State::new(&dir, known, false).unwrap();
    state.rotate();
    for ts in 0..3_000 {
        state.note(decision(7, ts));
        state.since -= WAIT;
        state.tend();
    }
    assert_eq!(state.lines, 3_004);
    state.rotate();
    assert_eq!(state.lines, 4);
    assert_eq!(std::fs::read_to_string(dir.join(NAME)).unwrap().lines().count(), 5);
}

#[test]
fn a_live_process_is_known_by_its_start() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    let me = own::own_pid().unwrap();
    let started = Clock::of_host().unwrap().start_time(me).unwrap();
    let decision = |create_ts| Decision { pid: me, ts: 1, identity: identity(me, create_ts) };
    let written = |create_ts| {
        let mut state = State::new(&dir, Known::default().of_boot("b"), true).unwrap();
        state.note(decision(create_ts));
        state.finish(None);
        Known::load(&dir).unwrap().of_boot("b").identity(me, own::start_ticks(me).unwrap())
    };
    assert_eq!(written(started), Some(identity(me, started)));
    assert_eq!(written(0), Some(identity(me, 0)), "found without its start");
    assert_eq!(written(started - 60_000_000_000), None, "its pid was given out again");
    // A process that is gone has no line.
    let mut state = State::new(&dir, Known::default().of_boot("b"), true).unwrap();
    state.note(Decision { pid: 1 << 40, ts: 1, identity: identity(1 << 40, 0) });
    state.finish(None);
    assert!(Known::load(&dir).unwrap().entries.is_empty());
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    file_of_nine(&dir);
    let elsewhere = temp.path().join("elsewhere");
    std::fs::rename(dir.join(NAME), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.join(NAME)).unwrap();
    std::os::unix::fs::symlink(temp.path().join("made"), dir.join(TEMPORARY)).unwrap();
    assert!(Known::load(&dir).unwrap().entries.is_empty());
    file_of_nine(&dir);
    assert!(!temp.path().join("made").exists());
    assert_eq!(Known::load(&dir).unwrap().entries.len(), 9);
    assert!(!dir.join(NAME).symlink_metadata().unwrap().is_symlink());
}
