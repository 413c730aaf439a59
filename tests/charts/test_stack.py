"""The chart sysflow-stack: the three find each other under any release name.

Falco's own charts are stood in for by small ones that name their objects as the real ones do. With SYSFLOW_REAL_CHARTS set to a
directory that holds the charts `falco` and `falcosidekick`, with their dependencies, the same tests run with those.
"""

import os
import pathlib
import shutil
import urllib.parse

import kubernetes_validate
import pytest

from charts import NAMES, NAMESPACES, STACK_CHART, SYSFLOW_CHART, Rendered, falco_values, helm, load

STAND_INS = pathlib.Path(os.environ.get("SYSFLOW_REAL_CHARTS", pathlib.Path(__file__).parent / "stand-ins"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """As `helm dependency build` leaves it."""
    folder = tmp_path_factory.mktemp("stack") / "sysflow-stack"
    shutil.copytree(STACK_CHART, folder, ignore=shutil.ignore_patterns("charts"))
    shutil.copytree(SYSFLOW_CHART, folder / "charts" / "sysflow")
    for name in ("falco", "falcosidekick"):
        shutil.copytree(STAND_INS / name, folder / "charts" / name)
    return folder


@pytest.fixture(scope="module")
def render(stack):
    def rendered(values=None, name="sysflow", namespace="falco"):
        # Loaded each time: Helm takes the parts that are left out from the chart that it holds.
        with helm.Chart.load(stack) as chart:
            chart.validate_schema(values or {})
            return Rendered(chart.render(values or {}, name=name, namespace=namespace))

    return rendered


def falco_yaml(rendered):
    [found] = [d["data"]["falco.yaml"] for d in rendered.all("ConfigMap") if "falco.yaml" in d["data"]]
    return load(found)


def services(rendered):
    return {(d["metadata"]["name"], port["port"]) for d in rendered.all("Service") for port in d["spec"]["ports"]}


def endpoint(url):
    parsed = urllib.parse.urlsplit(url)
    return parsed.hostname, parsed.port


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("name", [*NAMES, "falco", "falco-sysflow", "falcosidekick"])
def test_alerts_arrive(render, name, namespace):
    rendered = render(name=name, namespace=namespace)
    falco = falco_yaml(rendered)
    assert falco["json_output"] is True and falco["http_output"]["enabled"] is True
    assert endpoint(falco["http_output"]["url"]) in services(rendered)
    own = load(rendered.data("sysflow", "sysflow.yaml"))
    assert endpoint(own["alerts"]["falcosidekick"]["url"]) in services(rendered)
    names = [(d["kind"], d["metadata"]["name"], d["metadata"].get("namespace")) for d in rendered.objects]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_takes_every_object(render, version):
    for document in render().objects:
        kubernetes_validate.validate(document, version, strict=True)


def test_falco_is_told_what_the_chart_sysflow_says(render):
    """What stands in values.yaml is a copy, since a chart cannot set the values of another."""
    rendered = render()
    says = falco_values(RenderedSysflow(rendered))
    [falco] = [d for d in rendered.all("DaemonSet") if d["metadata"]["name"] != "sysflow"]
    pod = falco["spec"]["template"]["spec"]
    [container] = [c for c in pod["containers"] if c["name"] == "falco"]
    for wanted in says["extra"]["initContainers"]:
        assert wanted in pod["initContainers"]
    for wanted in says["mounts"]["volumes"]:
        assert wanted in pod["volumes"]
    for wanted in says["mounts"]["volumeMounts"]:
        assert wanted in container["volumeMounts"]
    assert falco_yaml(rendered)["config_files"] == says["falco"]["config_files"]


class RenderedSysflow(Rendered):
    """The part that is SysFlow's."""

    def __init__(self, whole):
        super().__init__({path: text for path, text in whole.files.items() if "/charts/sysflow/" in path})


def test_the_trap_is_there(render):
    """Left to Falco's chart, alerts go nowhere: what the guard and the fixed names are for."""
    with pytest.raises(helm.HelmError, match="falco.falcosidekick.enabled"):
        render({"falco": {"falcosidekick": {"enabled": True}}})
    if "SYSFLOW_REAL_CHARTS" not in os.environ:
        with helm.Chart.load(STAND_INS / "falco") as falco, helm.Chart.load(STAND_INS / "falcosidekick") as sidekick:
            posts = falco_yaml(Rendered(falco.render({"falcosidekick": {"enabled": True}}, name="sysflow", namespace="falco")))
            there = services(Rendered(sidekick.render({}, name="sysflow", namespace="falco")))
        assert endpoint(posts["http_output"]["url"]) not in there


@pytest.mark.parametrize("wrong, says", [
    ({"falcosidekick": {"fullnameOverride": "sidekick"}}, "falco.falco.http_output.url"),
    ({"falcosidekick": {"fullnameOverride": ""}}, "falcosidekick.fullnameOverride"),
    ({"falco": {"falco": {"http_output": {"url": "http://sysflow-falcosidekick:2801/"}}}}, "http_output.url"),
    ({"falco": {"falco": {"json_output": False}}}, "json_output"),
    ({"sysflow": {"falcosidekick": {"url": "http://other:2801/"}}}, "sysflow.falcosidekick.url"),
    ({"sysflow": {"image": {"tag": "2.0.0"}}}, "sysflow-falco:2.0.0"),
    ({"sysflow": {"fullnameOverride": "flow"}}, "flow-plugin"),
    ({"sysflow": {"mode": "sidecar"}}, "sysflow.mode"),
    ({"falco": {"extra": {"initContainers": []}}}, "sysflow-plugin is missing"),
    ({"sysflow": {"image": {"repositry": "x"}}}, "repositry"),
])
def test_what_does_not_fit_is_refused(render, wrong, says):
    with pytest.raises(helm.HelmError) as refused:
        render(wrong)
    assert says in str(refused.value)


def test_parts_can_be_left_out(render):
    assert not services(render({"falcosidekick": {"enabled": False}, "sysflow": {"falcosidekick": {"url": ""}}})) & {("falcosidekick", 2801)}
    assert all(d["metadata"]["name"] != "sysflow" for d in render({"sysflow": {"enabled": False}}).all("DaemonSet"))
    assert [d["metadata"]["name"] for d in render({"falco": {"enabled": False}}).all("DaemonSet")] == ["sysflow"]
