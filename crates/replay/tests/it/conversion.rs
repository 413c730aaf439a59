//! Old events in, current events out, literally.

use sysflow_replay::{
    RawEvent,
    convert::{Converted, Converter},
    event::build,
    schema::code::*,
};

const TID: i64 = 77;

fn i(n: i64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn u(n: u32) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn s(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn empty() -> Vec<u8> {
    Vec::new()
}

/// Gives an event to a converter; what comes out of it is its type and parameters, or nothing.
fn give(converter: &mut Converter, code: u16, params: &[Vec<u8>]) -> Option<(u16, Vec<Vec<u8>>)> {
    let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
    let bytes = build(1234, TID, code, &params).expect("encodes");
    let event = RawEvent::parse(&bytes).expect("an event");
    let out = match converter.convert(event).unwrap_or_else(|e| panic!("{e}")) {
        Converted::Absorbed => return None,
        Converted::Unchanged => event,
        Converted::Changed => converter.event().expect("an event"),
    };
    assert_eq!((out.ts(), out.tid()), (1234, TID));
    Some((out.code(), out.params().map(<[u8]>::to_vec).collect()))
}

/// The event that comes of an enter and an exit event.
fn pair(enter: &(u16, Vec<Vec<u8>>), exit: &(u16, Vec<Vec<u8>>)) -> (u16, Vec<Vec<u8>>) {
    let mut converter = Converter::new();
    assert_eq!(give(&mut converter, enter.0, &enter.1), None, "the enter event is kept");
    give(&mut converter, exit.0, &exit.1).expect("the exit event comes out")
}

/// The event that comes of an exit event alone.
fn alone(code: u16, params: &[Vec<u8>]) -> (u16, Vec<Vec<u8>>) {
    give(&mut Converter::new(), code, params).expect("an event")
}

#[test]
fn enter_parameters_move_into_the_exit_event() {
    let cases = [
        ((SYSCALL_CLOSE_E, vec![i(3)]), (SYSCALL_CLOSE_X, vec![i(0)]), vec![i(0), i(3)]),
        (
            (SYSCALL_READ_E, vec![i(3), u(100)]),
            (SYSCALL_READ_X, vec![i(5), b"hello".to_vec()]),
            vec![i(5), b"hello".to_vec(), i(3), u(100)],
        ),
        (
            (SYSCALL_PWRITE_E, vec![i(3), u(100), i(4096)]),
            (SYSCALL_PWRITE_X, vec![i(5), b"hello".to_vec()]),
            vec![i(5), b"hello".to_vec(), i(3), u(100), i(4096)],
        ),
        (
            (SOCKET_SENDTO_E, vec![i(4), u(9), b"\x02tuple".to_vec()]),
            (SOCKET_SENDTO_X, vec![i(9), b"data".to_vec()]),
            vec![i(9), b"data".to_vec(), i(4), u(9), b"\x02tuple".to_vec()],
        ),
        ((SYSCALL_SETUID_E, vec![u(1000)]), (SYSCALL_SETUID_X, vec![i(0)]), vec![i(0), u(1000)]),
        (
            (SYSCALL_SETNS_E, vec![i(5), u(0x4000_0000)]),
            (SYSCALL_SETNS_X, vec![i(0)]),
            vec![i(0), i(5), u(0x4000_0000)],
        ),
        // Of the four parameters of sendfile's enter event the third (the offset) is in the exit event already.
        (
            (SYSCALL_SENDFILE_E, vec![i(1), i(2), i(3), i(4)]),
            (SYSCALL_SENDFILE_X, vec![i(4), i(7)]),
            vec![i(4), i(7), i(1), i(2), i(4)],
        ),
        // The file descriptor of poll's enter event is in the exit event, so only the timeout moves.
        (
            (SYSCALL_POLL_E, vec![b"fds".to_vec(), i(10)]),
            (SYSCALL_POLL_X, vec![i(1), b"fds".to_vec()]),
            vec![i(1), b"fds".to_vec(), i(10)],
        ),
        (
            (SYSCALL_MMAP_E, vec![i(0), i(4096), u(1), u(2), i(-1), i(0)]),
            (SYSCALL_MMAP_X, vec![i(0x7000), u(1), u(2), u(3)]),
            vec![i(0x7000), u(1), u(2), u(3), i(0), i(4096), u(1), u(2), i(-1), i(0)],
        ),
        (
            (SOCKET_RECVMSG_E, vec![i(6)]),
            (SOCKET_RECVMSG_X, vec![i(2), u(2), b"hi".to_vec(), empty()]),
            vec![i(2), u(2), b"hi".to_vec(), empty(), empty(), i(6)],
        ),
        (
            (SOCKET_SOCKET_E, vec![u(2), u(1), u(6)]),
            (SOCKET_SOCKET_X, vec![i(3)]),
            vec![i(3), u(2), u(1), u(6), u(0)],
        ),
        (
            (SYSCALL_FCNTL_E, vec![i(3), vec![1]]),
            (SYSCALL_FCNTL_X, vec![i(0)]),
            vec![i(0), i(3), vec![1], i(0)],
        ),
        (
            (SYSCALL_MOUNT_E, vec![u(5)]),
            (SYSCALL_MOUNT_X, vec![i(0), s("/dev/sda"), s("/mnt"), s("ext4")]),
            vec![i(0), s("/dev/sda"), s("/mnt"), s("ext4"), u(5)],
        ),
    ];
    for (enter, exit, expected) in cases {
        let code = exit.0;
        assert_eq!(pair(&enter, &exit), (code, expected));
    }
}

#[test]
fn old_types_become_their_successors() {
    let cases = [
        (
            (SYSCALL_OPENAT_E, vec![i(-100), s("etc"), u(1), u(0o644)]),
            (SYSCALL_OPENAT_X, vec![i(3)]),
            (SYSCALL_OPENAT_2_X, vec![i(3), i(-100), s("etc"), u(1), u(0o644), empty(), empty()]),
        ),
        (
            (SYSCALL_MKDIR_E, vec![s("/a"), u(0o755)]),
            (SYSCALL_MKDIR_X, vec![i(0)]),
            (SYSCALL_MKDIR_2_X, vec![i(0), s("/a"), u(0o755)]),
        ),
        (
            (SYSCALL_UNLINKAT_E, vec![i(-100), s("a")]),
            (SYSCALL_UNLINKAT_X, vec![i(0)]),
            (SYSCALL_UNLINKAT_2_X, vec![i(0), i(-100), s("a"), empty()]),
        ),
        (
            (SYSCALL_LINKAT_E, vec![i(1), s("a"), i(2), s("b")]),
            (SYSCALL_LINKAT_X, vec![i(0)]),
            (SYSCALL_LINKAT_2_X, vec![i(0), i(1), s("a"), i(2), s("b"), empty()]),
        ),
        ((SYSCALL_DUP_E, vec![i(3)]), (SYSCALL_DUP_X, vec![i(4)]), (SYSCALL_DUP_1_X, vec![i(4), i(3)])),
        (
            (SOCKET_ACCEPT4_5_E, vec![u(0x800)]),
            (SOCKET_ACCEPT4_5_X, vec![i(5), b"t".to_vec(), vec![0], u(0), u(128)]),
            (SOCKET_ACCEPT4_6_X, vec![i(5), b"t".to_vec(), vec![0], u(0), u(128), u(0x800)]),
        ),
        (
            (SYSCALL_IOCTL_2_E, vec![i(1), i(0x5401)]),
            (SYSCALL_IOCTL_2_X, vec![i(0)]),
            (SYSCALL_IOCTL_3_X, vec![i(0), i(1), i(0x5401), empty()]),
        ),
        // 64 bits of command became 32.
        (
            (SYSCALL_BPF_E, vec![i(0x1_0000_0005)]),
            (SYSCALL_BPF_X, vec![i(9)]),
            (SYSCALL_BPF_2_X, vec![i(9), u(5)]),
        ),
    ];
    for (enter, exit, expected) in cases {
        assert_eq!(pair(&enter, &exit), expected);
    }
    let cases = [
        (PROCEXIT_E, vec![], (PROCEXIT_1_E, vec![empty(); 5])),
        (SYSCALL_UMOUNT_X, vec![i(0), s("/mnt")], (SYSCALL_UMOUNT_1_X, vec![i(0), s("/mnt")])),
        (SYSCALL_NEWSELECT_X, vec![i(1)], (SYSCALL_SELECT_X, vec![i(1)])),
        (
            SOCKET_ACCEPT_X,
            vec![i(5), b"t".to_vec(), vec![3]],
            (SOCKET_ACCEPT_5_X, vec![i(5), b"t".to_vec(), vec![3], u(0), u(0)]),
        ),
        (
            SYSCALL_OPEN_X,
            vec![i(3), s("/etc/passwd"), u(1), u(0)],
            (SYSCALL_OPEN_X, vec![i(3), s("/etc/passwd"), u(1), u(0), empty(), empty()]),
        ),
        (
            SYSCALL_CREAT_X,
            vec![i(3), s("/a"), u(0o600)],
            (SYSCALL_CREAT_X, vec![i(3), s("/a"), u(0o600), empty(), empty(), empty()]),
        ),
        (CONTAINER_JSON_E, vec![s("{}")], (CONTAINER_JSON_2_E, vec![s("{}")])),
    ];
    for (code, params, expected) in cases {
        assert_eq!(alone(code, &params), expected);
    }
}

/// The oldest layout of all goes through every later one; what was recorded ends up in today's places.
#[test]
fn the_oldest_execve_takes_every_step() {
    let old = [i(0), s("sh"), s("-c"), i(7), i(7), i(1), s("/"), i(1024)];
    let (code, params) = alone(SYSCALL_EXECVE_8_X, &old);
    assert_eq!((code, params.len()), (SYSCALL_EXECVE_19_X, 31));
    assert_eq!(params[..8], old);
    assert!(params[8..].iter().all(Vec::is_empty), "nothing is made up: {params:?}");

    let old: Vec<_> = (0..17).map(i).collect();
    let (code, params) = alone(SYSCALL_EXECVE_18_X, &old);
    assert_eq!((code, params.len()), (SYSCALL_EXECVE_19_X, 31));
    // Parameters that became 32 bits wide since are cut; those that are 64 bits or text are whole.
    for (n, param) in params.iter().enumerate().take(17) {
        assert_eq!(param[..param.len().min(4)], u(n as u32)[..], "parameter {n}");
    }
}

#[test]
fn clone_and_fork_take_every_step() {
    let old: Vec<_> = (0..11).map(|n| if (8..11).contains(&n) { u(n) } else { i(i64::from(n)) }).collect();
    let (code, params) = alone(SYSCALL_CLONE_11_X, &old);
    assert_eq!((code, params.len()), (SYSCALL_CLONE_20_X, 21));
    assert_eq!((&params[0], &params[7]), (&i(0), &i(7)));
    assert_eq!(params[15..18], [u(8), u(9), u(10)], "flags, uid and gid");
    let old: Vec<_> = (0..16).map(|n| if n >= 10 { u(n) } else { i(i64::from(n)) }).collect();
    for (from, to) in [(SYSCALL_FORK_X, SYSCALL_FORK_20_X), (SYSCALL_VFORK_X, SYSCALL_VFORK_20_X)] {
        let (code, params) = alone(from, &old);
        assert_eq!((code, params.len()), (to, 21));
        assert_eq!(params[15..18], [u(13), u(14), u(15)], "flags, uid and gid");
    }
}

/// The path that was executed is in the enter event of execve only, which Falco delivers too.
#[test]
fn execve_takes_its_path_from_the_enter_event() {
    let mut converter = Converter::new();
    let enter = give(&mut converter, SYSCALL_EXECVE_19_E, &[s("/bin/ls")]);
    assert_eq!(enter, Some((SYSCALL_EXECVE_19_E, vec![s("/bin/ls")])));
    let exit: Vec<_> = (0..27).map(|_| empty()).collect();
    let (code, params) = give(&mut converter, SYSCALL_EXECVE_19_X, &exit).expect("an event");
    assert_eq!((code, params.len(), &params[30]), (SYSCALL_EXECVE_19_X, 31, &s("/bin/ls")));
}

/// Without the enter event a parameter gets the default of its type where a plugin may rely on its presence, and is
/// empty elsewhere.
#[test]
fn lost_enter_events_leave_defaults() {
    assert_eq!(alone(SYSCALL_CLOSE_X, &[i(0)]).1, [i(0), i(0)]);
    assert_eq!(alone(SYSCALL_SETUID_X, &[i(0)]).1, [i(0), empty()]);
    assert_eq!(alone(SOCKET_SENDTO_X, &[i(1), empty()]).1, [i(1), empty(), i(0), u(0), empty()]);
    // Another call's enter event is no substitute.
    let mut converter = Converter::new();
    assert_eq!(give(&mut converter, SYSCALL_READ_E, &[i(9), u(1)]), None);
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_X, &[i(0)]).expect("an event").1, [i(0), i(0)]);
}

#[test]
fn enter_events_are_used_once_and_per_thread() {
    let mut converter = Converter::new();
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_E, &[i(3)]), None);
    let other = build(1, TID + 1, SYSCALL_CLOSE_X, &[&[0; 8]]).expect("encodes");
    let other = RawEvent::parse(&other).expect("an event");
    assert_eq!(converter.convert(other), Ok(Converted::Changed));
    assert_eq!(converter.event().expect("an event").param(1), Some(&[0; 8][..]), "not the other thread's");
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_X, &[i(0)]).expect("an event").1, [i(0), i(3)]);
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_X, &[i(0)]).expect("an event").1, [i(0), i(0)]);
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_E, &[i(3)]), None);
    converter.clear();
    assert_eq!(give(&mut converter, SYSCALL_CLOSE_X, &[i(0)]).expect("an event").1, [i(0), i(0)]);
}

#[test]
fn the_oldest_container_event_becomes_json() {
    let (code, params) = alone(CONTAINER_E, &[s("abc"), u(0), s("web \"1\""), s("nginx")]);
    assert_eq!(code, CONTAINER_JSON_2_E);
    let json = r#"{"id":"abc","image":"nginx","name":"web \"1\"","type":0}"#;
    assert_eq!(params, [s(json)]);
}

#[test]
fn current_events_pass_and_unused_ones_go() {
    let current = [i(0), i(3)];
    assert_eq!(alone(SYSCALL_CLOSE_X, &current), (SYSCALL_CLOSE_X, current.to_vec()));
    // One more than the schema has: a newer driver.
    let newer = [i(0), i(3), u(1)];
    assert_eq!(alone(SYSCALL_CLOSE_X, &newer), (SYSCALL_CLOSE_X, newer.to_vec()));
    // Not in the rules, one parameter in 2018.
    let (code, params) = alone(PROCEXIT_1_E, &[i(256)]);
    assert_eq!((code, params), (PROCEXIT_1_E, vec![i(256), empty(), empty(), empty(), empty()]));
    let mut converter = Converter::new();
    assert_eq!(give(&mut converter, SCHEDSWITCH_6_X, &[]), None);
    // An old enter event whose exit event needs nothing of it.
    assert_eq!(give(&mut converter, SYSCALL_FORK_E, &[]), None);
}

#[test]
fn what_no_schema_ever_had_is_an_error() {
    let bytes = build(1, 1, SYSCALL_READ_X, &[&[0; 8]]).expect("encodes");
    let error =
        Converter::new().convert(RawEvent::parse(&bytes).expect("an event")).expect_err("one parameter");
    assert_eq!(error.to_string(), "SYSCALL_READ_X with 1 parameters is in no known schema");
}
