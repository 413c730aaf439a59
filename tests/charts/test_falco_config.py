"""Drop-ins for a Falco on a host. With FALCO naming the program, Falco itself checks them and runs the rules."""

import json
import os
import subprocess

import jsonschema
import pytest
import yaml

from charts import load
from conftest import PLUGIN, ROOT

FOLDER = ROOT / "falco-config"
CHOICES = ["sysflow.yaml", "sysflow-no-io-counts.yaml", "sysflow-stock.yaml"]
COUNTS = {"read", "readv", "pread", "preadv", "write", "writev", "pwrite", "pwritev", "send", "recv", "sendfile", "splice", "copy_file_range", "mmap"}
FALCO = os.environ.get("FALCO")
with_falco = pytest.mark.skipif(not FALCO, reason="FALCO names no Falco to check the drop-ins with")


def choice(name):
    return load((FOLDER / name).read_text())


@pytest.mark.parametrize("name", CHOICES)
def test_the_plugin_is_loaded_as_it_wants(name, plugin_schema):
    falco = choice(name)
    [plugin] = falco["plugins"]
    jsonschema.Draft202012Validator(plugin_schema).validate(plugin["init_config"])
    assert falco["load_plugins"] == [plugin["name"]], "Falco appends: what is loaded before stays before"
    assert name > "falco.container_plugin.yaml", "files are read in the order of their names, and container has to be first"
    assert falco["append_output"] == [{"match": {"source": "syscall"}, "extra_fields": ["sf.graphid"]}]
    assert set(falco) <= {"plugins", "load_plugins", "append_output", "base_syscalls"}, "other maps would replace Falco's"


def test_the_choices_differ_as_they_say():
    full, light = (choice(name)["base_syscalls"] for name in CHOICES[:2])
    assert len(full["custom_set"]) == len(set(full["custom_set"]))
    assert set(full["custom_set"]) - set(light["custom_set"]) == COUNTS
    assert not set(light["custom_set"]) - set(full["custom_set"])
    assert full["all"] and full["repair"] and not light["all"] and light["repair"]
    assert "base_syscalls" not in choice(CHOICES[2])


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_each_file_is_explained(name):
    load((FOLDER / name).read_text())
    assert f"]({name})" in (FOLDER / "README.md").read_text()


def run_falco(tmp_path, drop_ins, *arguments, rules=(), before=()):
    """Falco with a configuration of its own, and these files as it finds them in config.d."""
    folder, rules_folder = tmp_path / "config.d", tmp_path / "rules.d"
    for where, files in ((folder, drop_ins), (rules_folder, rules)):
        where.mkdir()
        for file in files:
            text = (FOLDER / file).read_text().replace("library_path: libsysflow.so", f"library_path: {PLUGIN}")
            (where / file).write_text(text.replace("socket: /run/sysflow/sysflow.sock", f"dir: {tmp_path / 'records'}"))
    (rules_folder / "a.yaml").write_text(yaml.safe_dump([{"rule": "any", "desc": "d", "condition": "evt.type = execve and proc.name = never-such", "output": "o", "priority": "DEBUG"}]))
    (tmp_path / "falco.yaml").write_text(yaml.safe_dump({
        "config_files": [str(folder)], "rules_files": [str(rules_folder)], "watch_config_files": False, "engine": {"kind": "modern_ebpf"}, "json_output": True,
        "append_output": [{"suggested_output": True}], "log_stderr": True, "log_syslog": False, "log_level": "debug", "stdout_output": {"enabled": True},
        "syslog_output": {"enabled": False}, "webserver": {"enabled": False}, "libs_logger": {"enabled": True, "severity": "info"},
        "base_syscalls": {"custom_set": [], "repair": False, "all": False},
    }))
    done = subprocess.run([FALCO, "-c", tmp_path / "falco.yaml", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@with_falco
@pytest.mark.parametrize("name", CHOICES)
def test_falco_takes_each_choice(name, tmp_path):
    said = run_falco(tmp_path, [name, "sysflow-buffers.yaml"], "--dry-run", rules=["sysflow_falco_rules.yaml"]).stderr
    assert said.count("schema validation: ok") >= 3 and "schema validation: failed" not in said, said
    assert "Loaded plugin 'sysflow" in said and "33554432 bytes" in said


@with_falco
@pytest.mark.parametrize("capture, expected", [
    ("shop-attack.scap", {"SysFlow script run by a shell below a network service", "SysFlow sensitive file read below a network service"}),
    ("shop-normal.scap", set()),
])
def test_falco_tells_by_our_fields(capture, expected, tmp_path):
    replay = ["-o", "engine.kind=replay", "-o", f"engine.replay.capture_file={ROOT / 'tests' / 'data' / capture}"]
    alerts = [json.loads(line) for line in run_falco(tmp_path, ["sysflow.yaml"], *replay, rules=["sysflow_falco_rules.yaml"]).stdout.splitlines()
              if line.startswith("{")]
    ours = [alert for alert in alerts if alert["rule"] != "any"]
    assert {alert["rule"] for alert in ours} == expected
    assert all(len(alert["output_fields"]["sf.graphid"]) == 32 for alert in ours)
    assert len({alert["output_fields"]["sf.graphid"] for alert in ours}) == min(len(expected), 1), "one story, one graph"
