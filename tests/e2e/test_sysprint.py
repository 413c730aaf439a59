"""SysFlow's official reader takes what we write, and sees as many records as we do."""

import json
import subprocess

import pytest

import traces
from conftest import DATA, TIMEOUT, VENV_BIN, clean_environment, json_lines, run

CONFIGS = {"extended": {}, "v5": {"schema": "v5"}}


@pytest.fixture(scope="module", params=CONFIGS)
def written(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "shop-attack.sf"
    run("replay", DATA / "shop-attack.scap", "-o", path, "--config", json.dumps(CONFIGS[request.param]))
    return request.param, path


def test_official_reader_agrees(written):
    _, path = written
    done = subprocess.run(
        [VENV_BIN / "sysprint", "-o", "json", path], capture_output=True, timeout=TIMEOUT, env=clean_environment()
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    theirs, ours = json_lines(done.stdout.decode()), json_lines(run("print", "-o", "json", path).stdout)
    assert len(theirs) == len(ours) == sum(traces.told(traces.counts(path)).values()) > 500
    key = lambda line: (line["type"], line["proc"]["pid"])
    assert [key(line) for line in theirs] == [key(line) for line in ours]


def test_file_is_what_old_tools_expect(written):
    schema, path = written
    kinds = [kind for kind, _ in traces.records(path)]
    assert kinds[0] == "H" and kinds.count("H") == 1
    assert traces.metadata(path)["avro.codec"] == "deflate"
    fields = {field["name"] for field in process_schema(path)["fields"]}
    assert ("graphId" in fields) == (schema == "extended")


def test_every_reference_is_described_before_it_is_used(written):
    _, path = written
    processes, files = set(), set()
    oid = lambda record: (record["createTS"], record["hpid"])
    for kind, record in traces.records(path):
        if kind == "P":
            processes.add(oid(record["oid"]))
        elif kind == "F":
            files.add(bytes(record["oid"]))
        elif kind in ("PE", "NF", "FF", "FE", "PF"):
            assert oid(record["procOID"]) in processes
            assert bytes(record.get("fileOID") or b"") in files | {b""}


def process_schema(path):
    schema = json.loads(traces.metadata(path)["avro.schema"])
    return next(branch for branch in schema["fields"][0]["type"] if branch["name"].endswith("Process"))


def test_replay_is_deterministic(written, tmp_path):
    schema, path = written
    again = tmp_path / "again.sf"
    run("replay", DATA / "shop-attack.scap", "-o", again, "--config", json.dumps(CONFIGS[schema]))
    named = lambda p: [(kind, {**record, "filename": ""} if kind == "H" else record) for kind, record in traces.records(p)]
    assert named(path) == named(again)
