"""Runs a workload under strace while a live Falco has the plugin loaded, and compares what strace saw with the records.

    sudo build/venv/bin/python tests/live/live.py --falco /usr/bin/falco [--stock] [--keep DIR]

Needs root, strace, a C compiler, a Falco 0.42 or later (modern eBPF) and the built plugin and program. Prints one line a
kind of fact, then each difference; exit status 0 when there is none. It is no part of `make test`: a test cannot bring a
driver with it.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CANARY = "sysflow-live-canary"
READS = {"read": 2, "readv": 1, "pread64": 2, "preadv": 1, "recvfrom": 2, "recvmsg": 1}
WRITES = {"write": 2, "writev": 1, "pwrite64": 2, "pwritev": 1, "sendto": 2, "sendmsg": 1}
# System call → operation, and which of its path arguments name the two files.
CHANGES = {
    "mkdir": ("MKDIR", 0), "mkdirat": ("MKDIR", 1), "rmdir": ("RMDIR", 0), "unlink": ("UNLINK", 0), "unlinkat": ("UNLINK", 1),
    "rename": ("RENAME", 0), "renameat": ("RENAME", 1), "renameat2": ("RENAME", 1), "link": ("LINK", 0), "linkat": ("LINK", 1),
    "symlink": ("SYMLINK", 0), "symlinkat": ("SYMLINK", 0), "chmod": ("CHMOD", 0), "fchmodat": ("CHMOD", 1),
    "fchmod": ("CHMOD", 0), "chown": ("CHOWN", 0), "lchown": ("CHOWN", 0), "fchown": ("CHOWN", 0), "fchownat": ("CHOWN", 1),
    "mknod": ("MKNOD", 0), "mknodat": ("MKNOD", 1),
}
CALL = re.compile(r"^\d+\.\d+ (\w+)\((.*)\)\s+= (-?\d+|\?)(?:<(.*?)>)?")
PATH = re.compile(r"^(?:AT_FDCWD|\d+)<(.*)>$")


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="sysflow-live-") as scratch:
        scratch = pathlib.Path(options.keep or scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        traced, records = run(options, scratch)
    sys.exit(1 if compare(traced, records, options.stock) else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--falco", default="falco", help="the program (default: falco on the path)")
    parser.add_argument("--plugin", default=ROOT / "target/release/libsysflow.so", help="libsysflow.so")
    parser.add_argument("--sysflow", default=ROOT / "target/release/sysflow", help="the program that prints records")
    parser.add_argument("--stock", action="store_true", help="with Falco's own selection of system calls: no reads, no writes")
    parser.add_argument("--keep", help="empty directory that keeps records and logs")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("a live capture needs root")
    return options


def run(options, scratch):
    """Falco, the workload under strace, Falco's end; what strace and SysFlow say."""
    work, out, logs = scratch / "work", scratch / "records", scratch / "strace"
    for folder in (work, out, logs):
        folder.mkdir(mode=0o755)
    out.chmod(0o700)
    work.chmod(0o777)
    scratch.chmod(0o755)
    subprocess.run(["cc", "-O1", "-o", scratch / "workload", HERE / "workload.c", "-lpthread"], check=True)
    (scratch / "rules.yaml").write_text(yaml.safe_dump([{
        "rule": "canary", "desc": "the capture is open", "priority": "NOTICE", "output": "canary graph=%sf.graphid",
        "condition": f"evt.type in (execve, execveat) and proc.cmdline contains {CANARY}",
    }]))
    (scratch / "falco.yaml").write_text(yaml.safe_dump(configuration(options, scratch, out)))
    with open(scratch / "falco.out", "w") as stdout, open(scratch / "falco.err", "w") as stderr:
        falco = subprocess.Popen([options.falco, "-c", scratch / "falco.yaml"], stdout=stdout, stderr=stderr)
        try:
            wait_for_canary(falco, scratch)
            strace = ["strace", "-ff", "-yy", "-ttt", "-s4096", "-o", logs / "t"]
            subprocess.run([*strace, scratch / "workload", work], check=True)
            time.sleep(2)
        finally:
            falco.send_signal(signal.SIGTERM)
            falco.wait(20)
    complaints = [line for line in (scratch / "falco.err").read_text().splitlines() if line.startswith("sysflow:")]
    print(*complaints, sep="\n")
    files = sorted(out.glob("*.sf"))
    printed = subprocess.run([options.sysflow, "print", "-o", "json", *files], check=True, stdout=subprocess.PIPE, text=True)
    return Traced(logs, work), [json.loads(line) for line in printed.stdout.splitlines()]


def configuration(options, scratch, out):
    drop_in = yaml.safe_load((ROOT / "falco-config/sysflow.yaml").read_text())
    config = {
        "config_files": [], "watch_config_files": False, "rules_files": [str(scratch / "rules.yaml")],
        "load_plugins": ["sysflow"], "json_output": True, "log_stderr": True, "log_syslog": False, "buffered_outputs": False,
        "engine": {"kind": "modern_ebpf"}, "webserver": {"enabled": False}, "stdout_output": {"enabled": True},
        "syslog_output": {"enabled": False}, "priority": "debug",
        "plugins": [{"name": "sysflow", "library_path": str(pathlib.Path(options.plugin).resolve()),
                     "init_config": {"dir": str(out), "node": "live"}}],
    }
    return config if options.stock else config | {"base_syscalls": drop_in["base_syscalls"]}


def wait_for_canary(falco, scratch):
    for _ in range(90):
        subprocess.run(["/bin/true", CANARY], check=True)
        time.sleep(1)
        if falco.poll() is not None:
            sys.exit(f"Falco ended:\n{(scratch / 'falco.err').read_text()[-2000:]}")
        if "canary graph=" in (scratch / "falco.out").read_text():
            time.sleep(4)
            return
    sys.exit(f"no alert within 90 s:\n{(scratch / 'falco.err').read_text()[-2000:]}")


class Traced:
    """What strace saw, in the terms of SysFlow."""

    def __init__(self, logs, work):
        self.work = str(work.resolve())
        self.tids = {int(path.suffix[1:]) for path in logs.glob("t.*")}
        self.io, self.opens = collections.Counter(), collections.Counter()
        self.changes, self.sockets = collections.Counter(), collections.Counter()
        # strace's child is born before it is traced.
        self.processes = collections.Counter({("CLONE",): 1})
        logs = {int(path.suffix[1:]): path.read_text(errors="replace").splitlines() for path in logs.glob("t.*")}
        self.threads = {int(line.rpartition("= ")[2]) for log in logs.values() for line in log if "CLONE_THREAD" in line}
        for tid, log in logs.items():
            self.take_thread(tid, log)

    def take_thread(self, tid, log):
        for line in log:
            if match := re.search(r"\+\+\+ (?:exited with (\d+)|killed by (SIG\w+))", line):
                if tid in self.threads:
                    continue
                status = int(match[1]) << 8 if match[1] else int(signal.Signals[match[2]])
                self.processes["EXIT", status] += 1
            elif "<... execve resumed>" in line:
                # A thread's exec goes on as the main thread.
                self.processes["EXEC", int(line.rpartition("= ")[2])] += 1
            elif match := CALL.match(line):
                name, args, ret, new = match.groups()
                if ret != "?":
                    self.take(name, split(args), int(ret), new, line)

    def take(self, name, args, ret, new, line):
        ret = -errno_of(line) if ret == -1 else ret
        if name in READS or name in WRITES:
            self.take_io(args[0], "r" if name in READS else "w", ret)
        elif name == "sendfile":
            self.take_io(args[1], "r", ret), self.take_io(args[0], "w", ret)
        elif name in ("splice", "copy_file_range"):
            self.take_io(args[0], "r", ret), self.take_io(args[2], "w", ret)
        elif name in ("open", "openat", "openat2", "creat"):
            if ret >= 0:
                self.opens[self.shown(new)] += self.is_ours(new)
            elif ret in (-1, -13):
                self.changes["OPEN", unquote(args[0 if name == "open" else 1]), ret] += 1
        elif name in CHANGES:
            self.take_change(name, args, ret)
        elif name in ("execve", "execveat"):
            self.processes["EXEC", ret] += 1
        elif name in ("clone", "clone3", "fork", "vfork") and ret > 0 and "CLONE_THREAD" not in line:
            # One half is told by the parent, one by the child; threads are folded into process flows.
            self.processes["CLONE",] += 2
        elif name in ("setuid", "setresuid"):
            self.processes["SETUID", ret] += 1
        elif name == "kill":
            self.processes["SIGNAL", ret] += 1
        elif name == "unshare" and "CLONE_NEW" in args[0]:
            self.processes["SETNS", ret] += 1

    def take_io(self, fd, way, ret):
        match = re.match(r"\d+<(.*)>$", fd)
        if not match:
            return
        name = match[1]
        if tcp := re.match(r"(TCP|TCPv6):\[(.*)->(.*)\]$", name):
            ports = sorted((tcp[2].rpartition(":")[2], tcp[3].rpartition(":")[2]))
            self.sockets[tcp[1], *ports, way] += max(ret, 0)
        elif other := re.match(r"(UDP|UDPv6|UNIX|pipe)\b", name):
            # Both ends of these are not always in what strace shows.
            self.sockets[other[1], way] += max(ret, 0)
        elif self.is_ours(name):
            self.io[self.shown(name), way, "ops"] += 1
            self.io[self.shown(name), way, "bytes"] += max(ret, 0)

    def take_change(self, name, args, ret):
        op, first = CHANGES[name]
        op = "RMDIR" if "AT_REMOVEDIR" in args else op
        if PATH.match(args[first]) and name in ("fchmod", "fchown"):
            path = PATH.match(args[first])[1]
        else:
            path = unquote(args[first])
        if not path.startswith("/") and name != "symlinkat":
            path = f"{self.work}/{path}"
        if path.startswith(self.work) or name == "symlinkat":
            self.changes[op, path, ret] += 1

    def is_ours(self, path):
        return path is not None and path.startswith(self.work)

    @staticmethod
    def shown(path):
        return path.removesuffix(" (deleted)")


def split(args):
    """Arguments of a call; commas in brackets and quotes do not separate."""
    parts, depth, quoted, current = [], 0, False, ""
    for at, char in enumerate(args):
        if char == '"' and args[at - 1 : at] != "\\":
            quoted = not quoted
        depth += (char in "[{(<") - (char in "]})>" and args[at - 1 : at] != "-") if not quoted else 0
        if char == "," and depth == 0 and not quoted:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [*parts, current.strip()]


def unquote(text):
    return text.strip().strip('"')


def errno_of(line):
    import errno
    match = re.search(r"= -1 (E\w+)", line)
    return getattr(errno, match[1]) if match else 1


def compare(traced, records, stock):
    """Prints both sides; the number of facts that differ."""
    ours = [record for record in records if record["proc"]["pid"] in traced.tids]
    io, opens, changes, processes, sockets = (collections.Counter() for _ in range(5))
    for record in ours:
        ops, path = record["opflags"], record.get("file", {}).get("path", "")
        if record["type"] == "FF" and (kind := {"u": "UNIX", "p": "pipe"}.get(record["file"]["type"])):
            sockets[kind, "r"] += record["flow"]["rbytes"]
            sockets[kind, "w"] += record["flow"]["wbytes"]
        elif record["type"] == "FF" and path.startswith(traced.work):
            opens[path] += "OPEN" in ops
            for way, letter in (("r", "r"), ("w", "w")):
                io[path, way, "ops"] += record["flow"][f"{letter}ops"]
                io[path, way, "bytes"] += record["flow"][f"{letter}bytes"]
        elif record["type"] == "FE" and ("OPEN" in ops or path.startswith(traced.work) or path == "plain"):
            changes[ops[0], path, record["ret"]] += 1
        elif record["type"] == "PE":
            ret = () if ops[0] == "CLONE" else (record["ret"],)
            processes[ops[0], *ret] += 1
        elif record["type"] == "NF" and record["net"]["proto"] in (6, 17):
            family = ("TCP" if record["net"]["proto"] == 6 else "UDP") + ("v6" if ":" in record["net"]["sip"] else "")
            ports = sorted(map(str, (record["net"]["sport"], record["net"]["dport"]))) if family.startswith("TCP") else ()
            sockets[family, *ports, "r"] += record["flow"]["rbytes"]
            sockets[family, *ports, "w"] += record["flow"]["wbytes"]
    kinds = [("opens of files", traced.opens, opens), ("file events", traced.changes, changes),
             ("process events", traced.processes, processes)]
    if stock:
        kinds[1] = ("file events", *(pick(side, lambda key: key[0] == "OPEN") for side in (traced.changes, changes)))
        kinds[2] = ("process events", *(pick(side, lambda key: key[0] not in ("SIGNAL", "SETNS")) for side in (traced.processes, processes)))
    else:
        kinds += [("reads and writes of files", traced.io, io), ("bytes of connections", traced.sockets, sockets)]
    after = collections.Counter(afterlife(ours))
    return sum(report(*kind) for kind in [*kinds, ("events after an exit", collections.Counter(), after)])


def afterlife(records):
    """Events of processes that had ended."""
    ended = set()
    for record in records:
        if record["type"] == "PE":
            if record["proc"]["oid"] in ended:
                yield record["proc"]["pid"], record["opflags"][0]
            if "EXIT" in record["opflags"]:
                ended.add(record["proc"]["oid"])


def pick(counter, which):
    return collections.Counter({key: n for key, n in counter.items() if which(key)})


def report(kind, want, got):
    keys = {key for key in want.keys() | got.keys() if want[key] or got[key]}
    differ = sorted((key for key in keys if want[key] != got[key]), key=repr)
    print(f"{kind:28} {len(keys):4} facts, {len(differ)} differ")
    for key in differ:
        print(f"    {key}: strace {want[key]}, SysFlow {got[key]}")
    return len(differ)


if __name__ == "__main__":
    main()
