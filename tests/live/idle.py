"""Counts the records that Falco and the sidecar cause themselves, beside whatever else the machine does.

    sudo build/venv/bin/python tests/live/idle.py --falco /usr/bin/falco [--observe-self] [--seconds 60]

Needs what live.py needs. Without --observe-self there must be none, and the exit status is 1 if there are; with it the
plugin does not leave them out, and they are listed.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import yaml

import live


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--falco", default="falco", help="the program (default: falco on the path)")
    parser.add_argument("--plugin", default=live.ROOT / "target/release/libsysflow.so", help="libsysflow.so")
    parser.add_argument("--sysflow", default=live.ROOT / "target/release/sysflow", help="the program")
    parser.add_argument("--seconds", type=int, default=60, help="how long to watch")
    parser.add_argument("--observe-self", action="store_true", help="let the plugin tell of Falco and the sidecar")
    options = parser.parse_args()
    options.stock = False
    if os.geteuid() != 0:
        parser.error("a live capture needs root")
    with tempfile.TemporaryDirectory(prefix="sysflow-idle-") as scratch:
        own, total = watch(options, pathlib.Path(scratch))
    rate = {who: round(count / options.seconds, 2) for who, count in sum_by_process(own).items()}
    print(f"{total} records in {options.seconds} s; own, a second: {rate or 0}")
    for what, count in own.most_common(20):
        print(count, *what)
    sys.exit(1 if own and not options.observe_self else 0)


def sum_by_process(own):
    sums = collections.Counter()
    for (who, *_), count in own.items():
        sums[who] += count
    return sums


def watch(options, scratch):
    """Runs both for a while; own records of that time by process, kind and resource, and the number of all."""
    scratch.chmod(0o755)
    socket, store = scratch / "sf.sock", scratch / "store"
    store.mkdir()
    (scratch / "rules.yaml").write_text(yaml.safe_dump([{
        "rule": "canary", "desc": "the capture is open", "priority": "NOTICE", "output": "canary graph=%sf.graphid",
        "condition": f"evt.type in (execve, execveat) and proc.cmdline contains {live.CANARY}",
    }]))
    config = live.configuration(options, scratch, scratch)
    config["plugins"][0]["init_config"] = {"socket": str(socket), "observe_self": options.observe_self}
    (scratch / "falco.yaml").write_text(yaml.safe_dump(config))
    service = {"inputs": [{"socket": str(socket)}], "store": str(store), "api": {"listen": "127.0.0.1:0"}}
    (scratch / "sysflow.yaml").write_text(yaml.safe_dump(service))
    with open(scratch / "sysflow.err", "w") as log, open(scratch / "falco.out", "w") as out, open(scratch / "falco.err", "w") as err:
        sidecar = subprocess.Popen([options.sysflow, "run", "-c", scratch / "sysflow.yaml"], stdout=log, stderr=log)
        falco = subprocess.Popen([options.falco, "-c", scratch / "falco.yaml"], stdout=out, stderr=err)
        try:
            live.wait_for_canary(falco, scratch)
            # The start itself is not idle: flows of before are told of again for half a minute.
            time.sleep(30)
            since = time.time_ns()
            time.sleep(options.seconds)
            until = time.time_ns()
        finally:
            falco.send_signal(signal.SIGTERM)
            falco.wait(30)
            time.sleep(1)
            sidecar.send_signal(signal.SIGTERM)
            sidecar.wait(30)
    files = sorted(store.rglob("*.sf"))
    printed = subprocess.Popen([options.sysflow, "print", "-o", "json", *files], stdout=subprocess.PIPE, text=True)
    own, total = collections.Counter(), 0
    names = {falco.pid: "falco", sidecar.pid: "sysflow"}
    for record in map(json.loads, printed.stdout):
        if since <= max(record["ts"], record.get("endts") or 0) <= until:
            total += 1
            who = names.get(record.get("proc", {}).get("pid"))
            if who:
                resource = (record.get("file") or {}).get("path") or json.dumps(record.get("net", {}))
                own[who, record["type"], ",".join(record["opflags"]), resource] += 1
    return own, total


if __name__ == "__main__":
    main()
