//! The collector's modes, each by itself.

use sysflow_flow::{
    Compat, Config, FileMode, Modes, Op, ReadFilter,
    op::{LinkKind, PathKind, clone_flags},
};

use crate::scene::{SHELL, Scene, endpoint, link, open, path, socket};

fn with(modes: Modes) -> Scene {
    Scene::with(Config { modes, ..Config::default() })
}

/// One of everything.
fn work(s: &mut Scene) -> Vec<String> {
    s.open(SHELL, "/etc/x", 3).read(SHELL, 3, 1).close(SHELL, 3);
    s.op(SHELL, Op::Pipe { ret: 0, fds: [4, 5], ino: 7, cloexec: false }).write(SHELL, 5, 2).close(SHELL, 5);
    s.op(SHELL, path(PathKind::Mkdir, "/d")).op(SHELL, path(PathKind::Chmod { mode: 0 }, "/d"));
    s.op(SHELL, link(LinkKind::Rename, "/d", "/e")).op(SHELL, open("/etc/shadow", 1, -13));
    s.connect(SHELL, 6).close(SHELL, 6);
    s.events()
}

fn kinds(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| &line[..2]).collect()
}

#[test]
fn files_can_be_all_regular_or_none() {
    let run = |files| work(&mut with(Modes { files: Some(files), ..Modes::default() }));
    assert_eq!(kinds(&run(FileMode::All)), ["FF", "FF", "FE", "FE", "FE", "FE", "NF"]);
    let regular = run(FileMode::Regular);
    assert_eq!(kinds(&regular), ["FF", "FE", "FE", "FE", "FE", "NF"]);
    assert!(regular[0].contains("/etc/x"));
    assert_eq!(kinds(&run(FileMode::None)), ["NF"]);
    assert_eq!(work(&mut with(Modes::default())), run(FileMode::All));
}

#[test]
fn reads_can_be_left_out() {
    let run = |reads| {
        let mut s = with(Modes { reads: Some(reads), ..Modes::default() });
        for (fd, path, flags, write) in
            [(3, "/usr/lib/a", 1, false), (4, "/srv/b", 1, false), (5, "/usr/lib/c", 2, true)]
        {
            s.op(SHELL, open(path, flags, fd));
            if write {
                s.write(SHELL, fd, 1);
            } else {
                s.read(SHELL, fd, 1);
            }
            s.close(SHELL, fd);
        }
        let filtered = s.recorder.counters().flows_filtered;
        let names = ["/usr/lib/a", "/srv/b", "/usr/lib/c"];
        let lines = s.events();
        (
            names.into_iter().filter(|name| lines.iter().any(|line| line.contains(name))).collect::<Vec<_>>(),
            filtered,
        )
    };
    assert_eq!(run(ReadFilter::Off), (vec!["/usr/lib/a", "/srv/b", "/usr/lib/c"], 0));
    assert_eq!(run(ReadFilter::System), (vec!["/srv/b", "/usr/lib/c"], 1));
    assert_eq!(run(ReadFilter::All), (vec!["/usr/lib/c"], 2));
}

#[test]
fn threads_can_be_counted_in_process_flows() {
    let run = |compat, process_flows| {
        let modes = Modes { process_flows, ..Modes::default() };
        let mut s = Scene::with(Config { modes, compat, ..Config::default() });
        s.fork(SHELL, 101).clone(101, 102, clone_flags::THREAD).exit(102).exit(101);
        s.events()
            .into_iter()
            .filter(|line| line.contains("101/10") || line.starts_with("PF"))
            .collect::<Vec<_>>()
    };
    let process = ["PE 2ms 101/101 CLONE = 0", "PE 6ms 101/101 EXIT = 0"];
    assert_eq!(run(Compat::None, None), process);
    assert_eq!(run(Compat::None, Some(false)), process);
    let counted = [
        "PE 2ms 101/101 CLONE = 0",
        "PF 3ms-6ms 101 CLONE|EXIT cloned=1 exited=1 errors=0",
        "PE 6ms 101/101 EXIT = 0",
    ];
    assert_eq!(run(Compat::None, Some(true)), counted);
    assert_eq!(run(Compat::SysflowTests, Some(true)).iter().filter(|line| line.starts_with("PF")).count(), 1);
    let events = run(Compat::Sysflow, Some(false));
    assert!(events.iter().all(|line| line.starts_with("PE")) && events.len() == 5, "{events:?}");
}

#[test]
fn consumers_see_opens_and_connections() {
    let mut s = with(Modes { consume: Some(true), ..Modes::default() });
    s.open(SHELL, "/x", 3).read(SHELL, 3, 9).after(60_000).read(SHELL, 3, 9).close(SHELL, 3);
    s.op(SHELL, socket(4));
    s.op(SHELL, Op::Bind { ret: 0, fd: 4, addr: Some(sysflow_flow::op::Addr::Inet(endpoint("0.0.0.0:80"))) });
    s.op(SHELL, Op::Listen { ret: 0, fd: 4 });
    s.connect(SHELL, 5).write(SHELL, 5, 7).op(SHELL, Op::Shutdown { ret: 0, fd: 5 }).close(SHELL, 5).finish();
    assert_eq!(
        s.events(),
        [
            "FF 1ms-1ms 100/100 OPEN fd=3 /x read=0/0 written=0/0",
            "NF 60009ms-60012ms 100/100 CONNECT|WRITE|CLOSE fd=5 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=1/7",
        ]
    );
    assert_eq!(s.recorder.flow_count(), 0);
}
