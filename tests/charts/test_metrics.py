"""Dashboard and alerts ask for what the program serves at /metrics, and the questions are PromQL."""

import http.client
import json
import re
import socket
import subprocess
import time

import promql_parser
import pytest
import yaml

from charts import load, sysflow_yaml
from conftest import ROOT, SYSFLOW

# Prometheus's own about each target.
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def served(charts, tmp_path_factory):
    """Metrics of the program under the chart's configuration, by name and type; only its paths and port are others."""
    scratch = tmp_path_factory.mktemp("sysflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = load(sysflow_yaml(charts.sysflow(setting="sidekick")))
    config["inputs"][0]["socket"] = str(scratch / "sysflow.sock")
    config["store"] = str(scratch / "store")
    config["api"]["listen"] = f"127.0.0.1:{port}"
    config["alerts"]["falcosidekick"]["url"] = "http://127.0.0.1:9/"
    (scratch / "sysflow.yaml").write_text(yaml.safe_dump(config))
    with open(scratch / "log", "wb") as log:
        program = subprocess.Popen([SYSFLOW, "run", "--config", scratch / "sysflow.yaml"], stdout=log, stderr=log)
        try:
            text = get(port, "/metrics", program, scratch / "log")
            assert get(port, "/readyz", program, scratch / "log") == "ready\n"
        finally:
            program.terminate()
            assert program.wait(20) == 0
    return documented() | dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))


def documented():
    """Those that come only with a cause as well: the program's own tests hold this table to what it serves."""
    table = (ROOT / "docs" / "operations.md").read_text()
    return dict(re.findall(r"^\| `(sysflow_\w+)` \| (\w+) ", table, re.M))


def get(port, path, program, log):
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status == 200:
                return answer.read().decode()
        except OSError:
            pass
        assert program.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def selectors(expression):
    """Metrics that a PromQL expression reads, each with the function right around it."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.Call):
            found.extend((argument.vector_selector.name, node.func.name) for argument in node.args
                         if isinstance(argument, promql_parser.MatrixSelector))
        elif isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, None))

    promql_parser.walk(promql_parser.parse(re.sub(r"\$__rate_interval", "5m", expression)), visit)
    return found


def expressions(rendered):
    for group in rendered.get("PrometheusRule")["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in dashboard(rendered)["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def dashboard(rendered):
    [config_map] = [d for d in rendered.all("ConfigMap") if d["metadata"]["name"].endswith("-dashboard")]
    [text] = config_map["data"].values()
    return json.loads(text)


def test_what_they_name_exists(charts, served):
    """A counter is read through increase or rate, a gauge is not: Prometheus would not complain."""
    seen = set()
    for where, expression in expressions(charts.sysflow(setting="everything")):
        found = selectors(expression)
        assert found, f"{where}: {expression}"
        for name, function in found:
            seen.add(name)
            if name not in OF_PROMETHEUS:
                assert name in served, f"{where}: the program serves no {name}"
                if function in ("rate", "increase"):
                    assert served[name] == "counter", f"{where}: {name} is a {served[name]}"
                elif function:
                    assert served[name] == "gauge", f"{where}: {name} is a {served[name]}"
    assert len(seen) > 15
    variables = dashboard(charts.sysflow(setting="everything"))["templating"]["list"]
    asked = {match for variable in variables for match in re.findall(r"sysflow_\w+", json.dumps(variable.get("query")))}
    assert asked and asked <= set(served)


def test_a_metric_that_is_not_there_would_be_found():
    assert selectors('sum(rate(a_total{x="y"}[5m])) + b > 0') == [("a_total", "rate"), ("a_total", None), ("b", None)] or \
        set(selectors('sum(rate(a_total{x="y"}[5m])) + b > 0')) == {("a_total", "rate"), ("b", None)}


def test_alerts_are_about_this_release(charts):
    rendered = charts.sysflow(setting="everything", name="sec", namespace="default")
    for group in rendered.get("PrometheusRule")["spec"]["groups"]:
        for rule in group["rules"]:
            assert "SELECTOR" not in rule["expr"]
            assert rule["expr"].count('namespace="default", service="sec-sysflow"') == len(re.findall(r"\w+\{", rule["expr"]))
            assert {"summary", "description"} <= set(rule["annotations"]) and rule["labels"]["severity"]


def test_panels_have_places_of_their_own(charts):
    taken = set()
    for panel in dashboard(charts.sysflow(setting="everything"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells
