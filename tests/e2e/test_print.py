"""`sysflow print` on traces that others wrote, and on our own."""

import collections
import csv
import io
import json

import pytest

import traces
from conftest import json_lines, need_shared, run, shared_names

# Records of each trace, counted with a decoder that is not ours when the data was collected.
RECORDS = {
    "client-server_tcp-client-server.sf": 23, "files_files.sf": 41, "mpm-preforked_cold_start_capture.sf": 83,
    "mpm-preforked_full_capture.sf": 4597, "namespaces_setns.sf": 548, "objectstore_ls.sf": 32,
    "objectstore_upload.sf": 104, "rename_rename.sf": 60, "setuid_setuid.sf": 21, "k8s_small.sf": 6173,
    "mon.1531776682.sf": 19885, "mon.1531776712.sf": 7396, "mon.1531776742.sf": 22339, "shellshock.sf": 90, "tcp.sf": 23,
}

TRACES = [f"data/pairs/{name}" for name in shared_names("data/pairs", "*.sf")]
TRACES += [f"data/traces/{name}" for name in shared_names("data/traces", "*.sf")]


@pytest.mark.parametrize("trace", TRACES)
def test_record_counts(trace):
    path = need_shared(trace)
    counted = traces.counts(path)
    assert sum(counted.values()) == RECORDS[path.name]
    line = json.loads(run("print", "--counts", path).stdout)
    assert line["records"] == RECORDS[path.name]
    assert {kind: n for kind, n in line.items() if kind not in ("file", "records") and n} == dict(counted)


@pytest.mark.parametrize("trace", TRACES)
def test_every_form(trace):
    path = need_shared(trace)
    told = traces.told(traces.counts(path))
    lines = json_lines(run("print", "-o", "json", path).stdout)
    assert collections.Counter(line["type"] for line in lines) == told
    assert len(json_lines(run("print", "-o", "ecs", path).stdout)) == sum(told.values())
    rows = list(csv.reader(io.StringIO(run("print", "-o", "csv", path).stdout)))
    assert len(rows) == 1 + sum(told.values()) and {len(row) for row in rows} == {len(rows[0])}
    table = run("print", path).stdout
    assert len(table.splitlines()) == 1 + sum(told.values())
    assert all(character.isprintable() or character == "\n" for character in table), "nothing a terminal would obey"


def test_a_condition_selects():
    path = need_shared("data/traces/shellshock.sf")
    everything = json_lines(run("print", "-o", "json", path).stdout)
    execs = json_lines(run("print", "-o", "json", path, "-f", "sf.type = PE and sf.opflags = EXEC").stdout)
    assert execs == [line for line in everything if line["type"] == "PE" and "EXEC" in line["opflags"]] != []
