"""`sysflow rules test` with the policies of SysFlow's own processor, against what the original engine says."""

import collections
import gzip
import json
import pathlib

import pytest

from conftest import json_lines, need_shared, run, shared_names

GOLDENS = shared_names("data/golden/policy", "*.jsonl.gz")


def trace_of(golden):
    """`coll__files__files` was made of the pair `files_files`, `proc__tcp` of the trace `tcp`."""
    origin, *name = golden.split("__")
    return need_shared(f"data/pairs/{'_'.join(name)}.sf" if origin == "coll" else f"data/traces/{name[0]}.sf")


@pytest.mark.parametrize("golden", GOLDENS)
def test_matches_are_those_of_the_original_engine(golden):
    path = need_shared(f"data/golden/policy/{golden}")
    name, policy = golden.removesuffix(".jsonl.gz").rsplit(".", 1)
    with gzip.open(path, "rt") as file:
        want = {(line["i"], line["type"], line["ts"]): line["rules"] for line in map(json.loads, file)}
    got = collections.defaultdict(list)
    rules = need_shared(f"data/policies/{policy}.yaml")
    for line in json_lines(run("rules", "test", "-o", "json", rules, trace_of(name)).stdout):
        got[line["i"], line["type"], line["ts"]].append(line["rule"])
    assert got == want


def test_every_match_is_explained():
    rules = need_shared("data/policies/ttps.yaml")
    trace = need_shared("data/traces/shellshock.sf")
    found = json_lines(run("rules", "test", "-o", "json", rules, trace).stdout)
    assert found
    for match in found:
        explained = run("rules", "explain", "-o", "json", "-r", rules, match["rule"], trace, "--at", match["i"])
        (told,) = json_lines(explained.stdout)
        assert told["matches"] and told["condition"]["holds"], match


def test_policies_load(tmp_path):
    for policy in ("ttps", "filter"):
        path = need_shared(f"data/policies/{policy}.yaml")
        reports = json_lines(run("rules", "check", "-o", "json", path).stdout)
        assert {report["status"] for report in reports} == {"runs"}
        copy = tmp_path / f"{policy}.yaml"
        copy.write_bytes(pathlib.Path(path).read_bytes() + b"\n- rule: broken\n  desc: x\n  condition: (\n")
        assert run("rules", "check", copy, check=False).returncode == 1
