//! What conditions mean, operator by operator and field by field.

use sysflow::record::{Kind, op};
use sysflow_policy::{Condition, KindSet};

use crate::scene::Scene;

/// Asserts of each condition that it holds, or with a leading `!` that it does not.
#[track_caller]
fn check(scene: impl Fn() -> Scene, conditions: &[&str]) {
    for text in conditions {
        let (expected, text) = match text.strip_prefix('!') {
            Some(text) => (false, text),
            None => (true, *text),
        };
        let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let holds = scene().joined(|record| condition.matches(record));
        assert_eq!(holds, expected, "{text}");
    }
}

fn exec() -> Scene {
    Scene::new("systemd > java -jar shop.jar > bash -c id > id -u").container("shop").exec()
}

#[test]
fn logic() {
    let (t, f) = ("sf.type = PE", "sf.type = NF");
    check(
        exec,
        &[
            t,
            &format!("!{f}"),
            &format!("{t} and {t}"),
            &format!("!{t} and {f}"),
            &format!("{f} or {t}"),
            &format!("not {f}"),
            &format!("not not {t}"),
            &format!("not({f})"),
            // `and` binds tighter than `or`, `not` to what follows it.
            &format!("{t} or {t} and {f}"),
            &format!("!({t} or {t}) and {f}"),
            &format!("!not {t} or {f}"),
            &format!("not {f} and {t}"),
            &format!("({t})and({t})"),
            &format!("({t}) or(not {t})"),
        ],
    );
}

#[test]
fn equality_and_sets() {
    check(
        exec,
        &[
            "sf.proc.name = id",
            "sf.proc.name == id",
            "sf.proc.name=id",
            "!sf.proc.name = i",
            "sf.proc.name != ls",
            "!sf.proc.name != id",
            "sf.proc.name in (ls, id)",
            "sf.proc.name in (ls,\"id\",)",
            "sf.proc.name in('id')",
            "!sf.proc.name in ()",
            "not sf.proc.name in ()",
            "sf.proc.name intersects (ls, id)",
            "sf.proc.name = \"id\"",
            "sf.proc.name = 'id'",
            "sf.proc.aname = java",
            "sf.proc.aname = id",
            "sf.proc.aname in (nothing, bash)",
            "!sf.proc.aname = zsh",
            // Present, and none of the values is equal.
            "!sf.proc.aname != java",
            "sf.proc.aname != zsh",
        ],
    );
}

#[test]
fn absent_fields_answer_no_and_not_turns_it() {
    check(
        exec,
        &[
            "!sf.net.dport = 0",
            "!sf.net.dport != 0",
            "not sf.net.dport = 0",
            "!sf.net.dport < 10",
            "!sf.net.dport in (0)",
            "!sf.net.dport exists",
            "not sf.net.dport exists",
            "!sf.file.path contains ''",
            "sf.proc.name exists",
        ],
    );
}

#[test]
fn texts() {
    check(
        exec,
        &[
            "sf.proc.acmdline contains shop",
            "!sf.proc.acmdline contains SHOP",
            "sf.proc.acmdline icontains SHOP",
            "sf.proc.exe startswith /usr/",
            "!sf.proc.exe startswith usr",
            "sf.proc.exe endswith /id",
            "sf.proc.exe glob /usr/*/i?",
            "!sf.proc.exe glob /usr/*/I?",
            "sf.proc.exe iglob /USR/*/I?",
            "sf.proc.exe regex '/usr/(s?bin)/i.'",
            // Falco anchors expressions at both ends.
            "!sf.proc.exe regex bin",
            "sf.proc.exe regex '.*bin.*'",
            "sf.proc.exe pmatch (/etc, /usr)",
            "sf.proc.exe pmatch (/usr/bin/id)",
            "!sf.proc.exe pmatch (/us)",
            "sf.proc.exe bcontains 62696e",
            "sf.proc.exe bstartswith 2f757372",
            "!sf.proc.exe bstartswith 757372",
            "sf.proc.args = -u",
            "sf.proc.args = \"-u\"",
            r"sf.proc.exe regex '/usr/bin/\w+'",
        ],
    );
}

#[test]
fn numbers_truths_and_other_fields() {
    check(
        exec,
        &[
            "sf.proc.uid = 1000",
            "sf.proc.uid = '1000'",
            "sf.proc.uid = 0x3e8",
            "sf.proc.uid >= 1000",
            "!sf.proc.uid > 1000",
            "sf.proc.uid<1001",
            "sf.proc.uid <= 1000",
            "sf.proc.uid != 0",
            "sf.proc.uid in (0, 1000)",
            "sf.proc.loginuid < 0 or not sf.proc.loginuid exists",
            "sf.proc.tty = false",
            "sf.proc.tty != true",
            "!sf.proc.tty = 1",
            "sf.proc.apid = 100",
            "sf.proc.exe != val(sf.pproc.exe)",
            "sf.proc.uid = val(sf.pproc.uid)",
            "!sf.proc.pid < val(sf.pproc.pid)",
            "sf.proc.pid > val(sf.pproc.pid)",
            "sf.proc.acmdline contains val(sf.pproc.name)",
            "!sf.proc.exe = val(sf.file.path)",
        ],
    );
}

#[test]
fn functions() {
    check(
        || exec().with(|p| p.exe_args = "aGVsbG8gd29ybGQ=".into()),
        &[
            "basename(sf.proc.exe) = id",
            "toupper(basename(proc.exepath)) = ID",
            "tolower(sf.proc.user) = web",
            "len(sf.proc.user) = 3",
            "len(sf.proc.aname) > 3",
            "b64(proc.args) = 'hello world'",
            "basename('/a/b/') = ''",
            "len(sf.proc.apid) = 4",
            "len(proc.aname) = 3",
            "!b64(proc.cwd) exists",
            "sf.proc.name = basename(proc.exepath)",
            "sf.proc.name != basename(proc.pexepath)",
            "toupper(sf.proc.aname) in (ID, JAVA)",
            "!basename(sf.file.path) exists",
        ],
    );
}

#[test]
fn modifiers_count_the_values_that_pass() {
    check(
        exec,
        &[
            "sf.proc.exe startswith anyof (/etc, /usr)",
            "!sf.proc.exe startswith anyof (/etc, /opt)",
            "sf.proc.exe contains allof (usr, bin, id)",
            "!sf.proc.exe contains allof (usr, etc)",
            "sf.proc.exe contains oneof (usr, etc, opt)",
            "!sf.proc.exe contains oneof (usr, etc, bin)",
            "!sf.proc.exe contains oneof (etc, opt)",
            "sf.proc.exe contains oneof (x1, usr, x2, x3, x4)",
            "!sf.proc.exe contains oneof (x1, usr, x2, x3, bin, x4)",
            "sf.proc.name = anyof (ls, id)",
            "sf.proc.name == oneof (ls, id)",
            "!sf.proc.name = allof (ls, id)",
            "sf.proc.name = allof (id)",
            "sf.proc.name != anyof (ls, id)",
            "sf.proc.name != oneof (ls, id)",
            "!sf.proc.name != allof (ls, id)",
            "sf.proc.name != allof (ls, cat)",
            "sf.proc.exe endswith anyof (\"/id\", '/ls')",
            "sf.proc.exe regex anyof ('/opt/.*', '/usr/.*')",
            "sf.proc.exe glob allof (/usr/*, */id)",
            "sf.proc.exe iglob oneof (/USR/*, /ETC/*)",
            "sf.proc.exe icontains anyof (BIN)",
            "sf.proc.exe bcontains anyof (ff, 62696e)",
            "!sf.proc.name contains anyof ()",
            "sf.proc.uid = anyof (0, 1000)",
            "sf.proc.uid != allof (0, 1)",
            "!sf.file.path != allof (a)",
            "not sf.file.path contains anyof (a)",
            // Only before a list; else they are values.
            "!sf.proc.name = oneof",
            "!sf.proc.name = anyof and sf.type = PE",
            "sf.proc.name != allof or sf.type = NF",
        ],
    );
    check(
        || Scene::new("curl").connect("203.0.113.9:443", 1, 1),
        &[
            "fd.snet = anyof (10.0.0.0/8, 203.0.113.0/24)",
            "fd.snet != allof (10.0.0.0/8, 192.168.0.0/16)",
            "!fd.snet = oneof (203.0.113.0/24, 203.0.0.0/8)",
        ],
    );
}

#[test]
fn values_are_joined_and_options_read() {
    check(
        || Scene::new("systemd > nc -lp 8080 -e /bin/sh host 99").exec(),
        &[
            "join('-', (proc.name, \"aaa\")) = nc-aaa",
            "join(\",\", ('a', 'b')) = \"a,b\"",
            "join(',', ()) = ''",
            "join('/', ('', tolower('USR'), concat('b', 'in'), proc.name)) = val(proc.exepath)",
            "join(' ', sf.proc.aname) = 'nc systemd'",
            "join(',', (proc.pid, 7)) endswith ',7'",
            "toupper(join('-', (proc.name, proc.pname))) = NC-SYSTEMD",
            "len(join('-', ('aaa', 'bbb'))) = 7",
            "b64(concat('YWFh', 'YmJi')) = aaabbb",
            "concat(proc.name, '-', user.name) = nc-web",
            "!concat(proc.name, fd.name) exists",
            "len(('a', 'b')) = 2",
            "!join('-', (proc.name, fd.name)) exists",
            "getopt(proc.args, 'lp:e:') intersects (8080)",
            "getopt(proc.args, 'lp:e:') in (l)",
            "getopt(proc.args, 'lp:e:')[e] = /bin/sh",
            "getopt(proc.args, 'lp:e:')[p] != 80",
            "basename(getopt(proc.args, 'lp:e:')[e]) = sh",
            "!getopt(proc.args, 'lp:e:')[x] exists",
            "!getopt(proc.args, 'lp:e:') intersects (99, host)",
        ],
    );
    check(
        exec,
        &[
            "getopt(('-n', '-t', 'hello'), 'nt:') intersects (hello)",
            "getopt(('-nthello'), 'nt:')[t] = hello",
            "getopt(('-nt', 'hello'), 'nt:')[n] = n",
            "!getopt(('-n', '--', '-t'), 'nt') intersects (t)",
            "!getopt(('arg', '-n'), 'n') intersects (n)",
            "!getopt(('-', '-n'), 'n') intersects (n)",
            "getopt(('--exec', '-n'), 'n') intersects (n)",
            "getopt(('-x', '-n'), 'n') intersects ('?')",
            "!getopt(('-x'), 'n') intersects (x)",
            "getopt(('-t'), 't:') intersects ('')",
            "!getopt(('-t'), ':t:') intersects (t, ':')",
            "getopt(('-t', 'a', '-t', 'b'), 't:')[t] = b",
            "getopt(('-t', 'a', '-t'), 't:')[t] = ''",
            "getopt(('-t', ''), 't:') intersects (t)",
            "getopt(('-t:'), 't:')[t] = ':'",
        ],
    );
}

#[test]
fn strings_are_unescaped_as_falco_does() {
    check(
        || exec().with(|p| p.exe_args = "a\tb\"c\\d/e f".into()),
        &[
            r#"proc.args = "a\tb\"c\\d/e f""#,
            r"proc.args contains '\x09b'",
            r"proc.args contains '\/e'",
            r"proc.args contains 'c\ d'",
            r"proc.args regex '.\tb.c\\\\d/e\sf'",
            r"!proc.args contains '\b'",
        ],
    );
}

#[test]
fn operations_and_kinds() {
    check(
        exec,
        &["sf.opflags = EXEC", "!sf.opflags in (OPEN, CLONE)", "evt.type = execve", "!evt.type = open"],
    );
    let open = || Scene::new("cat").read("/etc/passwd");
    check(
        open,
        &[
            "sf.opflags = OPEN and sf.opflags = READ and sf.opflags = CLOSE",
            "sf.opflags in (EXEC, READ)",
            "!sf.opflags = RECV",
            "!sf.opflags != OPEN",
            "sf.opflags != WRITE",
            "evt.type in (open, openat)",
            "evt.type = read",
            "!evt.type in (recvfrom, write)",
            "syscall.type = openat2",
            "evt.dir = <",
            "sf.type in (FF, FE)",
        ],
    );
    let module = || Scene::new("insmod x.ko").event(op::KERNEL, 0, &["finit_module", "x"]);
    check(module, &["evt.type in (init_module, finit_module)", "!evt.type = bpf", "sf.opflags = KERNEL"]);
}

#[test]
fn an_event_says_which_call_it_was() {
    let unload = || Scene::new("rmmod audit").event(op::KERNEL, 0, &["delete_module", "audit"]);
    check(unload, &["evt.type = delete_module", "!evt.type in (init_module, finit_module)"]);

    let unshare = || Scene::new("unshare -U").event(op::SETNS, 0, &["unshare", "NEWUSER"]);
    check(
        unshare,
        &["evt.type = unshare", "!evt.type = setns", "evt.type in (setns, unshare)", "sf.opflags = SETNS"],
    );
    check(
        unshare,
        &["evt.type != setns", "!evt.type != unshare", "sf.type = PE", "evt.type in (execve, unshare)"],
    );
    let by_pidfd = || Scene::new("nsenter").event(op::SETNS, 0, &["setns", "NEWNET", "50"]);
    check(by_pidfd, &["evt.type = setns", "!evt.type = unshare", "sf.opflags = SETNS"]);
    let by_file = || Scene::new("nsenter").read("/proc/7/ns/net").add_ops(op::SETNS);
    check(
        by_file,
        &["evt.type = setns", "!evt.type = unshare", "evt.type in (setns, unshare)", "evt.type = read"],
    );

    let inject = || Scene::new("gdb").event(op::PTRACE, 8, &["process_vm_writev", "50"]);
    check(inject, &["evt.type = process_vm_writev", "!evt.type = ptrace", "!evt.arg.request exists"]);
    let attach = || Scene::new("gdb").event(op::PTRACE, 0, &["ATTACH", "50"]);
    check(attach, &["evt.type = ptrace", "!evt.type = process_vm_writev", "evt.arg.request = PTRACE_ATTACH"]);
}

#[test]
fn falco_fields_of_processes() {
    check(
        exec,
        &[
            "proc.name = id",
            "proc.exepath = /usr/bin/id",
            "proc.cmdline = \"id -u\"",
            "proc.args = \"-u\"",
            "proc.pname = bash",
            "proc.pcmdline = 'bash -c id'",
            "proc.aname = java",
            "!proc.aname = id",
            "proc.aname[0] = id",
            "proc.aname[1] = bash",
            "proc.aname[2] = java",
            "!proc.aname[9] exists",
            "proc.aexepath[3] = /usr/bin/systemd",
            "proc.acmdline[2] contains shop.jar",
            "proc.apid[1] = 102",
            "proc.pid = 103",
            "proc.ppid = 102",
            "proc.vpid = 4",
            "proc.tty = 0",
            "proc.cwd = /app/",
            "proc.duration > 0",
            "user.uid = 1000",
            "user.name = web",
            "group.name = web",
            "user.loginuid = -1",
            "container.id = 0123456789ab",
            "container.id != host",
            "container.name = shop",
            "container.image.repository = registry.example:5000/team/shop",
            "container.image.tag = 1.2",
            "container.privileged = false",
            "k8s.ns.name = prod",
            "k8s.pod.name = shop-0",
            "k8s.pod.label[app] = shop",
            "thread.ismain = true",
            "evt.hostname = node-1",
            "!proc.is_exe_upper_layer = true",
            "!proc.env[PATH] exists",
        ],
    );
    check(
        || exec().with(|p| p.env = vec!["PATH=/bin".into(), "HOME=/".into()]).upper_layer().tty(),
        &[
            "proc.env[PATH] = /bin",
            "proc.env contains 'HOME=/'",
            "!proc.env[PAT] exists",
            "proc.is_exe_upper_layer = true",
            "evt.arg.flags contains EXE_UPPER_LAYER",
            "proc.tty != 0",
        ],
    );
    check(
        || Scene::new("dash > python3.11 x.py").exec(),
        &[
            "proc.name = python3.11",
            "proc.name = python3",
            "proc.name in (ruby, python)",
            "!proc.name = python2",
            "!proc.name != python3",
            "proc.name startswith python3",
            "proc.pname = sh and proc.aname[1] = dash and proc.aname in (sh)",
            "!sf.proc.name = python3",
            "len(proc.name) = 10",
            "concat(proc.name, '') = python3.11",
            "user.loginname = web or not user.loginname exists",
        ],
    );
    check(
        || Scene::new("a1.sh > x.2").exec(),
        &["!proc.name = x", "!proc.pname in (a, a1)", "proc.pname = a1.sh"],
    );
    check(
        || Scene::new("id").with(|p| p.loginuid = 1000).exec(),
        &["user.loginname = web", "evt.num > 0", "!evt.num = 0", "evt.num != 0"],
    );
    check(
        || Scene::new("bpftool").event(op::KERNEL, 5, &["bpf", "5"]),
        &[
            "evt.type = bpf and (evt.arg.cmd = 5 or evt.arg.cmd = BPF_PROG_LOAD)",
            "evt.arg.cmd = BPF_PROG_LOAD",
        ],
    );
    check(
        || Scene::new("id").exec(),
        &["container.id = host", "container.name = host", "!k8s.pod.name exists"],
    );
    // A trace in plain v5 says nothing of the executable's layer: neither yes nor no.
    check(
        || exec().with(|p| p.graph_id.clear()),
        &["!proc.is_exe_upper_layer = true", "!proc.is_exe_upper_layer = false"],
    );
    check(
        || exec().with(|p| p.cap_effective = 1 << 21 | 1),
        &["thread.cap_effective contains CAP_SYS_ADMIN", "!thread.cap_effective contains CAP_SYS_PTRACE"],
    );
}

#[test]
fn falco_fields_of_files() {
    check(
        || Scene::new("sh").write("/etc/cron.d/job"),
        &[
            "fd.name = /etc/cron.d/job",
            "fd.directory = /etc/cron.d",
            "fd.filename = job",
            "fd.typechar = f",
            "fd.type = file",
            "fd.num >= 0",
            "evt.is_open_write = true",
            "!evt.is_open_read = true",
            "evt.arg.flags contains O_TRUNC",
            "evt.res = SUCCESS",
            "fs.path.name = /etc/cron.d/job",
        ],
    );
    check(
        || Scene::new("cat").refused("/etc/shadow"),
        &[
            "evt.type = openat and fd.name = /etc/shadow and fd.num = -1 and fd.typechar = f",
            "evt.res = EACCES",
            "evt.res startswith E",
            "evt.rawres < 0",
            "evt.failed = true",
            "evt.is_open_read = true",
            "!evt.is_open_write = true",
        ],
    );
    check(
        || Scene::new("mv").file_event(op::RENAME, "/tmp/a", Some("/etc/b"), 0, ""),
        &[
            "evt.arg.oldpath = /tmp/a",
            "evt.arg.newpath = /etc/b",
            "fs.path.source = /tmp/a and fs.path.target = /etc/b",
            "!fd.name exists",
            "!evt.arg.path exists",
        ],
    );
    check(
        || Scene::new("chmod").file_event(op::CHMOD, "/tmp/x", None, 0, "0o4755"),
        &[
            "evt.arg.filename = /tmp/x",
            "evt.arg.mode contains S_ISUID",
            "evt.arg.mode contains S_IXOTH",
            "!evt.arg.mode contains S_ISGID",
        ],
    );
    check(
        || Scene::new("ln").file_event(op::SYMLINK, "/etc/shadow", Some("/tmp/l"), 0, ""),
        &["evt.arg.target = /etc/shadow", "evt.arg.linkpath = /tmp/l", "evt.type = symlinkat"],
    );
}

#[test]
fn addresses() {
    let flow = || Scene::new("curl").connect("203.0.113.9:443", 10, 20);
    check(
        flow,
        &[
            "fd.name = '10.0.0.5:40000->203.0.113.9:443'",
            "fd.sip = 203.0.113.9 and fd.cip = 10.0.0.5",
            "fd.sport = 443 and fd.cport = 40000",
            "fd.lip = 10.0.0.5 and fd.rport = 443",
            "fd.ip = 10.0.0.5 and fd.ip = 203.0.113.9 and fd.port = 443",
            "fd.snet in (203.0.113.0/24)",
            "fd.snet = \"203.0.112.0/23\"",
            "!fd.snet in (10.0.0.0/8, 192.168.0.0/16)",
            "fd.net = 10.0.0.0/8",
            "fd.l4proto = tcp and fd.typechar = 4 and fd.type = ipv4 and fd.sockfamily = ip",
            "fd.is_server = false",
            "sf.net.dip = 203.0.113.9",
            "sf.net.dip in (203.0.113.0/24)",
            "!sf.net.dip in (0.0.0.0/32)",
            "sf.net.ip in (0.0.0.0/0)",
            "sf.net.dip startswith 203.0.",
            "!fd.snet in (\"::/0\")",
            "evt.type = connect and evt.rawres >= 0",
        ],
    );
    check(
        || Scene::new("curl").connect("[2001:db8::1]:443", 1, 1),
        &[
            "fd.sip = 2001:db8::1",
            "fd.snet in (2001:db8::/32)",
            "!fd.snet in (0.0.0.0/0)",
            "fd.typechar = 6",
            "fd.name = '2001:db8::5:40000->2001:db8::1:443'",
        ],
    );
    check(
        || Scene::new("curl").connect("[::ffff:10.1.2.3]:80", 1, 1),
        &["fd.snet in (10.0.0.0/8)", "fd.sip = 10.1.2.3"],
    );
    check(
        || Scene::new("nginx").net(op::ACCEPT, "198.51.100.7:5000", "10.0.0.5:80", 1, 1),
        &[
            "fd.is_server = true",
            "fd.name contains '->'",
            "fd.lport = 80 and fd.rip = 198.51.100.7",
            "fd.sport = 80",
        ],
    );
    check(
        || Scene::new("nginx").net(op::LISTEN, "[::]:0", "[::1]:80", 0, 0),
        &["fd.name = ::1:80", "evt.type = listen", "fd.is_server = true"],
    );
    check(
        || Scene::new("nginx").net(0, "198.51.100.7:5000", "10.0.0.5:80", 1, 1),
        &["!fd.is_server exists", "!fd.lport exists", "fd.sport = 80"],
    );
}

#[test]
fn kinds_follow_from_the_condition() {
    #[track_caller]
    fn kinds(text: &str, expected: &[Kind]) {
        let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(condition.kinds(), KindSet::of(expected), "{text}");
    }
    use Kind::{FileEvent as FE, FileFlow as FF, NetworkFlow as NF, ProcessEvent as PE};
    kinds("sf.type = NF", &[NF]);
    kinds("sf.type in (PE, FE)", &[PE, FE]);
    kinds("sf.opflags = EXEC and sf.proc.name = sh", &[PE]);
    kinds("evt.type in (open, openat) and fd.name startswith /etc", &[FF, FE]);
    kinds("sf.net.dip = 10.0.0.1 or sf.file.openflags = CREAT", &[NF, FF]);
    kinds("sf.file.path = /a and not sf.proc.name = sh", &[FF, FE]);
    kinds("evt.type = dup", &[]);
    kinds("evt.type = unshare", &[PE]);
    kinds("evt.type = setns", &[PE, FF]);
    kinds("evt.type in (delete_module, process_vm_writev)", &[PE]);
    assert_eq!(Condition::parse("not sf.type = NF").unwrap().kinds(), KindSet::JUDGED);
}

#[test]
fn a_condition_may_have_many_lines_and_long_lists() {
    let names: Vec<_> = (0..20_000).map(|n| format!("name{n}")).collect();
    let text = format!("sf.proc.name in (\n  {},\n  id\n)\n", names.join(",\n  "));
    check(exec, &[&text]);
    let many = vec!["sf.proc.name = id"; 20_000].join(" and ");
    check(exec, &[&many]);
    let many: Vec<_> = (0..20_000).map(|n| format!("sf.proc.pid = {n}")).collect();
    check(exec, &[&many.join(" or\n")]);
}
