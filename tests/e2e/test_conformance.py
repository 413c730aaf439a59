"""Our records of a capture against those that SysFlow's own collector made of it."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import TIMEOUT, need_shared, run, shared_names

# The settings of the collector's own regression tests, by which the pairs were made.
CONFIG = json.dumps({"schema": "v5", "compat": "sysflow-tests"})
# What is left are differences between versions of Falco's libraries.
ENOUGH = {"strict": 0.98, "entity": 0.95}


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """F1 of each pair in the folder: strict, shape and entity."""
    tool = need_shared("tools/sfdiff.py")
    need_shared("data/pairs")
    scores = {}
    for name in shared_names("data/pairs", "*.sf"):
        want = need_shared(f"data/pairs/{name}")
        got = tmp_path_factory.mktemp("pairs") / name
        capture = next(filter(pathlib.Path.exists, map(want.with_suffix, (".scap.gz", ".scap"))), None)
        assert capture, f"{want} has no capture beside it"
        run("replay", capture, "-o", got, "--config", CONFIG)
        done = subprocess.run([sys.executable, tool, got, want], capture_output=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr.decode()
        scores[want.stem] = json.loads(done.stdout.splitlines()[-1])
    return scores


def test_pairs_agree(scores, capsys):
    with capsys.disabled():
        print("\n" + table(scores))
    low = {
        f"{name}: {level}": score[level]
        for name, score in scores.items()
        for level, enough in ENOUGH.items()
        if score[level] < enough
    }
    assert low == {}


def table(scores):
    lines = [f"{'pair':36} strict   shape  entity"]
    lines += [f"{name:36} {s['strict']:.4f}  {s['shape']:.4f}  {s['entity']:.4f}" for name, s in scores.items()]
    return "\n".join(lines)


def test_settings_of_the_regression_tests_are_used(tmp_path):
    """All kinds of files and no process flows, and the exporter is called `tests`."""
    capture = need_shared("data/pairs/namespaces_setns.scap.gz")
    out = tmp_path / "setns.sf"
    run("replay", capture, "-o", out, "--config", CONFIG)
    text = run("print", "-o", "json", out).stdout
    assert not re.search(r'"type":"PF"', text)
    assert re.search(r'"node":\{"id":"tests"', text), "exporter"
