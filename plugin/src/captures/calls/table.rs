//! The calls, with their events and what must come of them.

use sysflow_flow::{InitialFd, InitialFdKind};

use super::SHELL;
use crate::events::code::*;

/// A call.
pub(super) struct Call {
    pub(super) name: &'static str,
    /// The event, and what has to follow to show its effect where it has no record of its own.
    pub(super) events: Vec<(u16, i64, Vec<Vec<u8>>)>,
    pub(super) want: &'static str,
}

fn call<const N: usize>(name: &'static str, code: u16, params: [Vec<u8>; N], want: &'static str) -> Call {
    Call { name, events: vec![(code, SHELL, params.into())], want }
}

impl Call {
    fn then<const N: usize>(self, code: u16, params: [Vec<u8>; N]) -> Self {
        self.then_by(SHELL, code, params)
    }

    fn then_by<const N: usize>(mut self, tid: i64, code: u16, params: [Vec<u8>; N]) -> Self {
        self.events.push((code, tid, params.into()));
        self
    }

    fn by(mut self, tid: i64) -> Self {
        self.events[0].1 = tid;
        self
    }
}

fn n(value: i64) -> Vec<u8> {
    value.to_le_bytes().into()
}

fn u(value: u32) -> Vec<u8> {
    value.to_le_bytes().into()
}

fn h(value: u16) -> Vec<u8> {
    value.to_le_bytes().into()
}

fn s(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn none() -> Vec<u8> {
    Vec::new()
}

fn address(ip: [u8; 4], port: u16) -> Vec<u8> {
    [&[2][..], &ip, &port.to_le_bytes()].concat()
}

fn tuple(source: ([u8; 4], u16), dest: ([u8; 4], u16)) -> Vec<u8> {
    [&[2][..], &source.0, &source.1.to_le_bytes(), &dest.0, &dest.1.to_le_bytes()].concat()
}

const HERE: ([u8; 4], u16) = ([10, 0, 0, 1], 4000);
const THERE: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// Parameters of clone for the parent's or the child's half.
fn clone(ret: i64, tid: i64, flags: u32) -> [Vec<u8>; 20] {
    let mut params: [Vec<u8>; 20] = Default::default();
    params[0] = n(ret);
    params[1] = s("bash");
    params[3] = n(tid);
    params[4] = n(tid);
    params[5] = n(50);
    params[15] = u(flags);
    params[16] = u(0);
    params[17] = u(0);
    params[18] = n(tid);
    params[19] = n(tid);
    params
}

fn exec(ret: i64, path: &str, args: &str, filename: &str) -> [Vec<u8>; 31] {
    let mut params: [Vec<u8>; 31] = std::array::from_fn(|_| none());
    params[0] = n(ret);
    params[1] = s("argv0");
    params[2] = s(args);
    params[4] = n(SHELL);
    params[26] = u(0);
    params[27] = s(path);
    params[29] = u(0);
    params[30] = s(filename);
    params
}

/// What the shell has open.
pub(super) fn descriptors() -> Vec<InitialFd> {
    let end = |(ip, port): ([u8; 4], u16)| (ip.into(), port);
    let connected = InitialFdKind::Inet { source: end(HERE), dest: end(THERE), proto: 6 };
    let fresh = |proto| InitialFdKind::Inet { source: ([0; 4].into(), 0), dest: ([0; 4].into(), 0), proto };
    [
        InitialFdKind::File(b"/etc/hosts".into()),
        InitialFdKind::Directory(b"/srv".into()),
        connected,
        fresh(6),
        fresh(17),
        InitialFdKind::InetServer { local: ([0; 4].into(), 22), proto: 6 },
        InitialFdKind::File(b"/proc/7/ns/net".into()),
    ]
    .into_iter()
    .zip(3..)
    .map(|(kind, fd)| InitialFd { fd, kind, open_flags: 3 })
    .collect()
}

/// Numbers of [`descriptors`].
const FILE: i64 = 3;
const DIR: i64 = 4;
const CONNECTED: i64 = 5;
const TCP: i64 = 6;
const UDP: i64 = 7;
const SERVER: i64 = 8;
const NAMESPACE: i64 = 9;

/// Opens, and what makes, copies and closes descriptors.
fn descriptor_calls() -> Vec<Call> {
    let read = |fd| [n(9), none(), n(fd)];
    let of_fd = |fd| [n(fd), h(0), n(0), n(0)];
    vec![
        call("open", OPEN_X, [n(20), s("a"), u(1)], "FileFlow OPEN /root/a"),
        call("openat", OPENAT_2_X, [n(20), n(DIR), s("a"), u(1)], "FileFlow OPEN /srv/a"),
        call("openat2", OPENAT2_X, [n(20), n(-100), s("../a"), u(3)], "FileFlow OPEN /a"),
        call("creat", CREAT_X, [n(20), s("a"), u(0o600)], "FileFlow OPEN /root/a"),
        call("open_by_handle_at", OPEN_BY_HANDLE_AT_X, [n(20), n(DIR), u(1), s("/a")], "FileFlow OPEN /a"),
        call(
            "openat, refused with EACCES or EPERM",
            OPENAT_2_X,
            [n(-13), n(-100), s("a"), u(1)],
            "FileEvent OPEN /root/a (RDONLY) = -13",
        ),
        call("memfd_create", MEMFD_CREATE_X, [n(20), s("a"), u(0)], "FileFlow OPEN memfd:a"),
        call("close", CLOSE_X, [n(0), n(FILE)], "FileFlow CLOSE /etc/hosts"),
        call(
            "close_range",
            CLOSE_RANGE_X,
            [n(0), u(3), u(4), u(0)],
            "FileFlow CLOSE /etc/hosts; FileFlow CLOSE /srv",
        ),
        call("dup", DUP_1_X, [n(20), n(FILE)], "FileFlow READ /etc/hosts read 1/9").then(READ_X, read(20)),
        call("dup2", DUP2_X, [n(20), n(FILE), n(20)], "FileFlow READ /etc/hosts read 1/9")
            .then(READ_X, read(20)),
        call("dup3", DUP3_X, [n(20), n(FILE), n(20), u(0x1000)], "FileFlow READ /etc/hosts read 1/9")
            .then(READ_X, read(20)),
        call("fcntl(F_DUPFD)", FCNTL_X, [n(20), n(FILE), vec![1]], "FileFlow READ /etc/hosts read 1/9")
            .then(READ_X, read(20)),
        call("pipe", PIPE_X, [n(0), n(20), n(21), n(77)], "FileFlow WRITE pipe:[77] written 1/9")
            .then(WRITE_X, read(21)),
        call("pipe2", PIPE2_X, [n(0), n(20), n(21), n(77), u(0)], "FileFlow READ pipe:[77] read 1/9")
            .then(READ_X, read(20)),
        call("pidfd_open", PIDFD_OPEN_X, [n(20), n(50), u(0)], "ProcessEvent SETNS setns NEWNET 50")
            .then(SETNS_X, [n(0), n(20), u(1 << 4)]),
        call("pidfd_getfd", PIDFD_OPEN_X, [n(20), n(50), u(0)], "FileFlow READ /etc/ssh/key read 1/9")
            .then(PIDFD_GETFD_X, [n(21), n(20), n(3), u(0)])
            .then(READ_X, read(21)),
        // Nothing that is read of these tells of a flow, and none of it is of an unknown descriptor.
        call("eventfd", EVENTFD_X, of_fd(20), "").then(READ_X, read(20)),
        call("eventfd2", EVENTFD2_X, of_fd(20), "").then(READ_X, read(20)),
        call("signalfd", SIGNALFD_X, of_fd(20), "").then(READ_X, read(20)),
        call("signalfd4", SIGNALFD4_X, of_fd(20), "").then(READ_X, read(20)),
        call("timerfd_create", TIMERFD_CREATE_X, of_fd(20), "").then(READ_X, read(20)),
        call("inotify_init", INOTIFY_INIT_X, of_fd(20), "").then(READ_X, read(20)),
        call("inotify_init1", INOTIFY_INIT1_X, of_fd(20), "").then(READ_X, read(20)),
        call("epoll_create", EPOLL_CREATE_X, of_fd(20), "").then(READ_X, read(20)),
        call("epoll_create1", EPOLL_CREATE1_X, [n(20), u(0)], "").then(READ_X, read(20)),
        call("userfaultfd", USERFAULTFD_X, of_fd(20), "").then(READ_X, read(20)),
        call("io_uring_setup", IO_URING_SETUP_X, of_fd(20), "").then(READ_X, read(20)),
    ]
}

/// What moves bytes.
fn io_calls() -> Vec<Call> {
    let read = "FileFlow READ /etc/hosts read 1/9";
    let write = "FileFlow WRITE /etc/hosts written 1/9";
    let received = "NetworkFlow RECV 10.0.0.1:4000 > 10.0.0.2:80 received 1/9";
    let sent = "NetworkFlow SEND 10.0.0.1:4000 > 10.0.0.2:80 sent 1/9";
    let both = "FileFlow READ /etc/hosts read 1/9; NetworkFlow SEND 10.0.0.1:4000 > 10.0.0.2:80 sent 1/9";
    let size = || u(9);
    vec![
        call("read", READ_X, [n(9), none(), n(FILE), size()], read),
        call("pread", PREAD_X, [n(9), none(), n(FILE), size()], read),
        call("readv", READV_X, [n(9), size(), none(), n(FILE)], read),
        call("preadv", PREADV_X, [n(9), size(), none(), n(FILE)], read),
        call("write", WRITE_X, [n(9), none(), n(FILE), size()], write),
        call("pwrite", PWRITE_X, [n(9), none(), n(FILE), size()], write),
        call("writev", WRITEV_X, [n(9), none(), n(FILE), size()], write),
        call("pwritev", PWRITEV_X, [n(9), none(), n(FILE), size()], write),
        call("read, failed", READ_X, [n(-11), none(), n(FILE), size()], "FileFlow READ /etc/hosts read 1/0"),
        call("recv", RECV_X, [n(9), none(), n(CONNECTED), size()], received),
        call("recvfrom", RECVFROM_X, [n(9), none(), none(), n(CONNECTED), size()], received),
        call("recvmsg", RECVMSG_X, [n(9), size(), none(), none(), none(), n(CONNECTED)], received),
        call("recvmmsg", RECVMMSG_X, [n(9), n(CONNECTED), size(), none(), none()], received),
        call("send", SEND_X, [n(9), none(), n(CONNECTED), size(), none()], sent),
        call("sendto", SENDTO_X, [n(9), none(), n(UDP), size(), tuple(HERE, THERE)], sent),
        call("sendmsg", SENDMSG_X, [n(9), none(), n(UDP), size(), tuple(HERE, THERE)], sent),
        call("sendmmsg", SENDMMSG_X, [n(9), n(UDP), size(), none(), tuple(HERE, THERE)], sent),
        call("sendfile", SENDFILE_X, [n(9), n(0), n(CONNECTED), n(FILE), n(9)], both),
        call("splice", SPLICE_X, [n(9), n(FILE), n(CONNECTED), n(9), u(0)], both),
        call("copy_file_range", COPY_FILE_RANGE_X, [n(9), n(CONNECTED), n(0), n(FILE), n(0), n(9)], both),
        call("mmap", MMAP_X, mmap(), "FileFlow MMAP /etc/hosts"),
        call("mmap2", MMAP2_X, mmap(), "FileFlow MMAP /etc/hosts"),
    ]
}

fn mmap() -> [Vec<u8>; 9] {
    [n(0x7f00_0000_0000), u(0), u(0), u(0), n(0), n(9), u(1), u(2), n(FILE)]
}

fn socket_calls() -> Vec<Call> {
    let connected = || [n(0), tuple(HERE, THERE), n(20), address(THERE.0, THERE.1)];
    let accepted = "NetworkFlow ACCEPT 10.0.0.2:80 > 10.0.0.1:4000";
    vec![
        call(
            "socket",
            SOCKET_X,
            [n(20), u(2), u(1), u(0)],
            "NetworkFlow CONNECT 10.0.0.1:4000 > 10.0.0.2:80",
        )
        .then(CONNECT_X, connected()),
        call(
            "connect",
            CONNECT_X,
            [n(0), tuple(HERE, THERE), n(TCP), address(THERE.0, THERE.1)],
            "NetworkFlow CONNECT 10.0.0.1:4000 > 10.0.0.2:80",
        ),
        call(
            "connect, refused",
            CONNECT_X,
            [n(-111), none(), n(TCP), address(THERE.0, THERE.1)],
            "NetworkFlow CONNECT 0.0.0.0:0 > 10.0.0.2:80",
        ),
        call("accept", ACCEPT_5_X, [n(20), tuple(THERE, HERE)], accepted),
        call("accept4", ACCEPT4_6_X, [n(20), tuple(THERE, HERE)], accepted),
        call("bind", BIND_X, [n(0), address([0; 4], 80), n(TCP)], "NetworkFlow BIND 0.0.0.0:0 > 0.0.0.0:80"),
        call("listen", LISTEN_X, [n(0), n(SERVER), u(9)], "NetworkFlow LISTEN 0.0.0.0:0 > 0.0.0.0:22"),
        call(
            "shutdown",
            SHUTDOWN_X,
            [n(0), n(CONNECTED), vec![2]],
            "NetworkFlow SHUTDOWN 10.0.0.1:4000 > 10.0.0.2:80",
        ),
        call(
            "socketpair",
            SOCKETPAIR_X,
            [n(0), n(20), n(21), n(0xa), n(0xb)],
            "FileFlow WRITE a->b written 1/9",
        )
        .then(WRITE_X, [n(9), none(), n(21)]),
    ]
}

fn path_calls() -> Vec<Call> {
    vec![
        call("mkdir", MKDIR_2_X, [n(0), s("a"), u(0o700)], "FileEvent MKDIR /root/a"),
        call("mkdirat", MKDIRAT_X, [n(0), n(DIR), s("a"), u(0o700)], "FileEvent MKDIR /srv/a"),
        call("rmdir", RMDIR_2_X, [n(-39), s("a")], "FileEvent RMDIR /root/a = -39"),
        call("unlink", UNLINK_2_X, [n(0), s("a")], "FileEvent UNLINK /root/a"),
        call("unlinkat", UNLINKAT_2_X, [n(0), n(DIR), s("a"), u(0)], "FileEvent UNLINK /srv/a"),
        call(
            "unlinkat(AT_REMOVEDIR)",
            UNLINKAT_2_X,
            [n(0), n(DIR), s("a"), u(0x200)],
            "FileEvent RMDIR /srv/a",
        ),
        call("rename", RENAME_X, [n(0), s("a"), s("b")], "FileEvent RENAME /root/a > /root/b"),
        call(
            "renameat",
            RENAMEAT_X,
            [n(0), n(DIR), s("a"), n(-100), s("b")],
            "FileEvent RENAME /srv/a > /root/b",
        ),
        call(
            "renameat2",
            RENAMEAT2_X,
            [n(0), n(DIR), s("a"), n(DIR), s("b"), u(0)],
            "FileEvent RENAME /srv/a > /srv/b",
        ),
        call("link", LINK_2_X, [n(0), s("a"), s("b")], "FileEvent LINK /root/a > /root/b"),
        call(
            "linkat",
            LINKAT_2_X,
            [n(0), n(DIR), s("a"), n(DIR), s("b"), u(0)],
            "FileEvent LINK /srv/a > /srv/b",
        ),
        call("symlink", SYMLINK_X, [n(0), s("../a"), s("b")], "FileEvent SYMLINK ../a > /root/b"),
        call("symlinkat", SYMLINKAT_X, [n(0), s("../a"), n(DIR), s("b")], "FileEvent SYMLINK ../a > /srv/b"),
        call("chmod", CHMOD_X, [n(0), s("a"), u(0o4755)], "FileEvent CHMOD /root/a (0o4755)"),
        call("fchmod", FCHMOD_X, [n(0), n(FILE), u(0o600)], "FileEvent CHMOD /etc/hosts (0o0600)"),
        call("fchmodat", FCHMODAT_X, [n(0), n(DIR), s("a"), u(0o600)], "FileEvent CHMOD /srv/a (0o0600)"),
        call("chown", CHOWN_X, [n(0), s("a"), u(0), u(u32::MAX)], "FileEvent CHOWN /root/a (0:-1)"),
        call("lchown", LCHOWN_X, [n(0), s("a"), u(0), u(0)], "FileEvent CHOWN /root/a (0:0)"),
        call("fchown", FCHOWN_X, [n(0), n(FILE), u(0), u(0)], "FileEvent CHOWN /etc/hosts (0:0)"),
        call(
            "fchownat",
            FCHOWNAT_X,
            [n(0), n(DIR), s("a"), u(0), u(0), u(0)],
            "FileEvent CHOWN /srv/a (0:0)",
        ),
        call(
            "mknod",
            MKNOD_X,
            [n(0), s("a"), u(0o20666), u(0x103)],
            "FileEvent MKNOD /root/a (0o20666 0x103)",
        ),
        call(
            "mknodat",
            MKNODAT_X,
            [n(0), n(DIR), s("a"), u(0o20666), u(0x103)],
            "FileEvent MKNOD /srv/a (0o20666 0x103)",
        ),
        call(
            "mount",
            MOUNT_X,
            [n(0), s("/dev/sdb"), s("a"), s("ext4"), u(1)],
            "FileEvent MOUNT /root/a (/dev/sdb ext4 0x1)",
        ),
        call("umount", UMOUNT_1_X, [n(0), s("a")], "FileEvent UMOUNT /root/a (0x0)"),
        call("umount2", UMOUNT2_X, [n(0), s("a"), u(2)], "FileEvent UMOUNT /root/a (0x2)"),
    ]
}

fn process_calls() -> Vec<Call> {
    vec![
        call("clone", CLONE_20_X, clone(101, SHELL, 0), "ProcessEvent CLONE = 101"),
        call("clone3", CLONE3_X, clone(101, SHELL, 0), "ProcessEvent CLONE = 101"),
        call("fork", FORK_20_X, clone(101, SHELL, 0), "ProcessEvent CLONE = 101"),
        call("vfork", VFORK_20_X, clone(101, SHELL, 0), "ProcessEvent CLONE = 101"),
        call("clone, of a thread", CLONE_20_X, clone(101, SHELL, 1 << 13), ""),
        call("execve", EXECVE_19_X, exec(0, "/bin/x", "y", "/bin/x"), "ProcessEvent EXEC"),
        call(
            "execve, of a script",
            EXECVE_19_X,
            exec(0, "/bin/bash", "./run.sh", "./run.sh"),
            "ProcessEvent EXEC /root/run.sh",
        ),
        call(
            "execve, failed",
            EXECVE_19_X,
            exec(-13, "/bin/bash", "", "./x"),
            "ProcessEvent EXEC /root/x = -13",
        ),
        call("execveat", EXECVEAT_X, exec(-2, "/bin/bash", "", ""), "ProcessEvent EXEC = -2"),
        call("exit", PROCEXIT_1_E, [n(256), n(1)], "ProcessEvent EXIT = 256"),
        call("setuid", SETUID_X, [n(0), u(33)], "ProcessEvent SETUID 33; Process uid=33 gid=0"),
        call("setreuid", SETREUID_X, [n(0), u(33), u(33)], "ProcessEvent SETUID 33; Process uid=33 gid=0"),
        call(
            "setresuid",
            SETRESUID_X,
            [n(0), u(33), u(34), u(33)],
            "ProcessEvent SETUID 33; Process uid=34 gid=0",
        ),
        call("setgid", SETGID_X, [n(0), u(33)], "FileEvent UNLINK /root/a; Process uid=0 gid=33")
            .then(UNLINK_2_X, [n(0), s("a")]),
        call("setregid", SETREGID_X, [n(0), u(33), u(34)], "FileEvent UNLINK /root/a; Process uid=0 gid=34")
            .then(UNLINK_2_X, [n(0), s("a")]),
        call(
            "setresgid",
            SETRESGID_X,
            [n(0), u(33), u(34), u(33)],
            "FileEvent UNLINK /root/a; Process uid=0 gid=34",
        )
        .then(UNLINK_2_X, [n(0), s("a")]),
        call("setsid", SETSID_X, [n(SHELL)], "FileEvent UNLINK /root/a; Process sid=100 tty=0")
            .then(UNLINK_2_X, [n(0), s("a")]),
        call("capset", CAPSET_X, [n(0), n(0), n(0), n(0x21)], "FileEvent UNLINK /root/a; Process caps=0x21")
            .then(UNLINK_2_X, [n(0), s("a")]),
        call("chdir", CHDIR_X, [n(0), s("/tmp")], "FileEvent UNLINK /tmp/a").then(UNLINK_2_X, [n(0), s("a")]),
        call("fchdir", FCHDIR_X, [n(0), n(DIR)], "FileEvent UNLINK /srv/a").then(UNLINK_2_X, [n(0), s("a")]),
        call("chroot", CHROOT_X, [n(0), s("/jail")], "FileEvent UNLINK /jail/a")
            .then(UNLINK_2_X, [n(0), s("/a")]),
        call("setns", SETNS_X, [n(0), n(NAMESPACE), u(0)], "FileFlow SETNS /proc/7/ns/net"),
        call("unshare", UNSHARE_X, [n(0), u(1 << 20 | 1 << 5)], "ProcessEvent SETNS unshare NEWUSER,NEWNS"),
        call("ptrace", PTRACE_X, [n(0), none(), none(), h(11), n(50)], "ProcessEvent PTRACE ATTACH 50"),
        call(
            "process_vm_writev",
            PROCESS_VM_WRITEV_X,
            [n(8), n(50), none()],
            "ProcessEvent PTRACE process_vm_writev 50 = 8",
        ),
        call("kill", KILL_X, [n(0), n(50), vec![9]], "ProcessEvent SIGNAL 50 9"),
        call("tkill", TKILL_X, [n(0), n(50), vec![9]], "ProcessEvent SIGNAL 50 9"),
        call("tgkill", TGKILL_X, [n(0), n(50), n(50), vec![9]], "ProcessEvent SIGNAL 50 9"),
        call(
            "init_module",
            INIT_MODULE_X,
            [n(0), none(), n(9), s("x=1")],
            "ProcessEvent KERNEL init_module x=1",
        ),
        call(
            "finit_module",
            FINIT_MODULE_X,
            [n(0), n(FILE), s(""), u(0)],
            "ProcessEvent KERNEL finit_module /etc/hosts",
        ),
        call(
            "delete_module",
            DELETE_MODULE_X,
            [n(0), s("audit"), u(0)],
            "ProcessEvent KERNEL delete_module audit",
        ),
        call("bpf, loads and attaches", BPF_2_X, [n(20), u(5)], "ProcessEvent KERNEL bpf 5 = 20"),
        call(
            "container",
            ASYNCEVENT_E,
            [u(1), s("container"), CONTAINER.into()],
            "ProcessEvent EXEC; Container shop",
        )
        .then(EXECVE_19_X, exec_in_container()),
        call(
            "container, in a capture",
            CONTAINER_JSON_2_E,
            [CONTAINER.into()],
            "ProcessEvent EXEC; Container shop",
        )
        .then(EXECVE_19_X, exec_in_container()),
        call(
            "user added",
            USER_ADDED_E,
            [u(7), u(7), s("eve"), none(), none(), none()],
            "ProcessEvent SETUID eve",
        )
        .by(-1)
        .then_by(SHELL, SETUID_X, [n(0), u(7)]),
        call(
            "group added",
            GROUP_ADDED_E,
            [u(0), s("wheel"), none()],
            "FileEvent UNLINK /root/a; Process group=wheel",
        )
        .by(-1)
        .then_by(SHELL, UNLINK_2_X, [n(0), s("a")]),
    ]
}

const ID: &str = "e8febe1a20e50eb223c79826220d523af5efc29cd70295cc3742cb6bd05ef035";
const CONTAINER: &[u8] = br#"{"container":{"type":0,"id":"e8febe1a20e5","name":"shop","image":"shop"}}"#;

fn exec_in_container() -> [Vec<u8>; 31] {
    let mut params = exec(0, "/bin/x", "", "/bin/x");
    params[14] = s(&format!("memory=/docker/{ID}"));
    params
}

pub(super) fn calls() -> Vec<Call> {
    [descriptor_calls(), io_calls(), socket_calls(), path_calls(), process_calls()]
        .into_iter()
        .flatten()
        .collect()
}
