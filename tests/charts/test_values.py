"""values.yaml, its schema and its table: they say the same, and wrong values are refused before anything is installed."""

import json
import re

import pytest

import readme
from charts import IMAGE, SYSFLOW_CHART, helm
from conftest import ROOT

SCHEMA = json.loads((SYSFLOW_CHART / "values.schema.json").read_text())


@pytest.mark.parametrize("chart", readme.CHARTS, ids=lambda path: path.name)
def test_the_readme_is_that_of_the_values(chart):
    assert readme.written(chart) == (chart / "README.md").read_text(), "run `make charts-docs`"


@pytest.mark.parametrize("chart", readme.CHARTS, ids=lambda path: path.name)
def test_each_value_is_described(chart):
    assert not [key for key, _, text in readme.rows(chart / "values.yaml") if not text]


def test_the_schema_knows_each_value():
    def walk(values, schema, path):
        for key, value in values.items():
            assert key in schema["properties"], f"{path}{key}"
            # What stands in `config` is checked by the program.
            if isinstance(value, dict) and "properties" in schema["properties"][key] and path != "config.":
                assert schema["properties"][key].get("additionalProperties") is False, f"{path}{key} takes any key"
                walk(value, schema["properties"][key], f"{path}{key}.")

    with helm.Chart.load(SYSFLOW_CHART) as chart:
        values = chart.values
    walk(values, SCHEMA, "")
    assert set(SCHEMA["properties"]) - set(values) == {"global", "enabled"}, "what Helm adds to a chart that is part of another"


@pytest.mark.parametrize("wrong, says", [
    ({"mod": "sidecar"}, "mod"),
    ({"mode": "side-car"}, "mode"),
    ({"image": {"repositry": "x"}}, "repositry"),
    ({"image": {"repository": "x@sha256:1"}}, "repository"),
    ({"image": {"digest": "sha256:12"}}, "digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ({"falco": {"syscalls": "all"}}, "syscalls"),
    ({"falco": {"bufferPreset": 11}}, "bufferPreset"),
    ({"falco": {"plugin": {"socket": "/x"}}}, "plugin"),
    ({"socket": {"hostPath": "run/sysflow"}}, "hostPath"),
    ({"config": {"inputs": []}}, "inputs"),
    ({"config": {"store": "/x"}}, "store"),
    ({"config": {"api": {"insecure": True}}}, "api"),
    ({"config": {"alerts": {"falcosidekick": {"url": "http://x/", "headers": {"Authorization": "secret"}}}}}, "falcosidekick"),
    ({"config": {"rules": {"files": ["/x"]}}}, "files"),
    ({"publicUrl": "flow.example"}, "publicUrl"),
    ({"allowedHosts": ["flow.example:8443"]}, "allowedHosts"),
    ({"listenAddress": "::"}, "listenAddress"),
    ({"falcosidekick": {"url": "falcosidekick:2801"}}, "url"),
    ({"falcosidekick": {"timeoutMs": 0}}, "timeoutMs"),
    ({"rules": {"files": {"../a.yaml": ""}}}, "a.yaml"),
    ({"rules": {"existingConfigMap": "x"}}, "keys"),
    ({"persistence": {"type": "pvc"}}, "type"),
    ({"runAsUser": 0}, "runAsUser"),
    ({"updateMaxUnavailable": "0%"}, "updateMaxUnavailable"),
    ({"service": {"port": 70000}}, "port"),
    ({"hostPort": -1}, "hostPort"),
    ({"ingress": {"enabled": True}}, "hosts"),
    ({"httpRoute": {"enabled": True, "hostnames": ["a.example"]}}, "parentRefs"),
    ({"podAnnotations": {"a": 1}}, "podAnnotations"),
    ({"serviceMonitor": {"interval": "often"}}, "interval"),
])
def test_wrong_values_are_refused(charts, wrong, says):
    with pytest.raises(helm.HelmError) as refused:
        charts.render(SYSFLOW_CHART, {"image": IMAGE, **wrong})
    assert says in str(refused.value)


def test_an_image_has_to_be_named(charts):
    """None is published yet; the message says what to do."""
    with pytest.raises(helm.HelmError, match="packaging/Dockerfile"):
        charts.render(SYSFLOW_CHART, {})


def settings_in_docs():
    """Each `--set key=value` of a command in the documentation; an upgrade keeps the image that the installation named."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("charts/*/*.md")]:
        for command in re.findall(r"^ +helm (?:install|upgrade)(?:.*\\\n)*.*$", path.read_text(), re.M):
            chart = re.search(r"charts/(sysflow(?:-stack)?)\b", command)
            if chart:
                settings = ",".join(re.findall(r"--set (\S+)", command))
                yield path.name, chart[1], settings, {"image": IMAGE} if "helm upgrade" in command else {}


def test_commands_in_the_documentation_are_taken(charts):
    found = list(settings_in_docs())
    assert len(found) >= 4, found
    for where, chart, settings, kept in found:
        if chart == "sysflow":
            charts.render(SYSFLOW_CHART, {**kept, **helm.parse_set_string(settings)})
        else:
            assert where and not settings, "what the stack needs no setting for"
    for line in (ROOT / "docs" / "kubernetes.md").read_text().splitlines():
        if settings := ["=".join(pair) for pair in re.findall(r"`([a-zA-Z]+(?:\.[a-zA-Z_]+)*)=(\S+?)`", line)]:
            charts.render(SYSFLOW_CHART, {"image": IMAGE, **helm.parse_set_string(",".join(settings))})
