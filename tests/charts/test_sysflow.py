"""The chart sysflow: every object that it can make, in every mode, under any name."""

import functools
import itertools

import jsonschema
import kubernetes_validate
import pytest

from charts import MODES, NAMES, NAMESPACES, SETTINGS, SYSFLOW_CHART, drop_in, dump, falco_values, full_name, helm, load, pod_of, program_of, sysflow_yaml
from conftest import ROOT, sysflow

KUBERNETES = ["1.29", "1.33", "1.37"]
# It reads a file of some megabytes for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
# Kinds of operators; Kubernetes itself has no schema for them.
CUSTOM = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
matrix = pytest.mark.parametrize("mode, setting", list(itertools.product(MODES, SETTINGS)))


@pytest.mark.parametrize("version", KUBERNETES)
def test_helm_finds_nothing_to_complain_about(version):
    for mode in MODES:
        values = {"mode": mode, "image": {"repository": "r/sysflow"}, **SETTINGS["everything"]}
        report = helm.lint(SYSFLOW_CHART, values, strict=True, kube_version=f"v{version}.0")
        assert not report["errors"] and not report["messages"], report


@pytest.mark.parametrize("version", KUBERNETES)
@matrix
def test_kubernetes_takes_every_object(charts, mode, setting, version):
    rendered = charts.sysflow(mode, setting)
    for document in [*rendered.objects, falco_pod(rendered)]:
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, version, strict=True)


def falco_pod(rendered):
    """A pod as Falco's chart makes it of our values."""
    values = falco_values(rendered)
    container = {"name": "falco", "image": "falco", "volumeMounts": values["mounts"]["volumeMounts"]}
    spec = {"containers": [container], "initContainers": values["extra"]["initContainers"], "volumes": values["mounts"]["volumes"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "falco"}, "spec": spec}


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("name", NAMES)
@matrix
def test_objects_fit_together(charts, mode, setting, name, namespace):
    rendered = charts.sysflow(mode, setting, name, namespace)
    pods = [falco_pod(rendered)["spec"]] + ([pod_of(rendered, mode)] if mode == "existing-falco" else [])
    names = [(document["kind"], document["metadata"]["name"]) for document in rendered.objects]
    assert len(set(names)) == len(names)
    for kind, object_name in names:
        assert len(object_name) <= 63 and not object_name.endswith("-"), (kind, object_name)
    for document in rendered.objects:
        assert document["metadata"]["namespace"] == namespace
        assert all(len(value) <= 63 for value in document["metadata"]["labels"].values())
    config_maps = {document["metadata"]["name"]: set(document["data"]) for document in rendered.all("ConfigMap")}
    for pod in pods:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert len(volumes) == len(pod["volumes"])
        containers = pod["initContainers"] + pod["containers"]
        assert len({container["name"] for container in containers}) == len(containers)
        mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])}
        assert mounted == set(volumes), "each volume is used, and each mount has one"
        for volume in volumes.values():
            if (source := volume.get("configMap")) and source["name"] != "our-rules":
                assert source["name"] in config_maps, source
    check_network(rendered, mode, program_of(pods[-1]))


def check_network(rendered, mode, program):
    ports = {port["name"]: port["containerPort"] for port in program["ports"]}
    service = rendered.get("Service")
    [port] = service["spec"]["ports"]
    assert port["targetPort"] in ports
    probes = [program["livenessProbe"], program["readinessProbe"]]
    assert all(probe["httpGet"]["port"] in ports for probe in probes)
    if mode == "existing-falco":
        labels = rendered.get("DaemonSet")["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert rendered.get("DaemonSet")["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
        for policy in rendered.all("NetworkPolicy"):
            assert policy["spec"]["podSelector"]["matchLabels"] == service["spec"]["selector"]
            assert policy["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port["targetPort"]}]
    else:
        assert not rendered.all("DaemonSet") + rendered.all("NetworkPolicy") + rendered.all("PodDisruptionBudget")
    for test in rendered.all("Pod"):
        assert test["metadata"]["labels"]["app.kubernetes.io/name"] != service["spec"]["selector"].get("app.kubernetes.io/name")
        assert f"http://{service['metadata']['name']}:{port['port']}\n" in test["spec"]["containers"][0]["args"][0]
    for ingress in rendered.all("Ingress"):
        for rule in ingress["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            assert backend == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    for route in rendered.all("HTTPRoute"):
        assert route["spec"]["rules"][0]["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
    for monitor in rendered.all("ServiceMonitor"):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] == port["name"]


@matrix
def test_the_program_takes_its_configuration(charts, mode, setting, tmp_path):
    rendered = charts.sysflow(mode, setting)
    pod = pod_of(rendered, mode)
    program = program_of(pod)
    mounts = {mount["mountPath"] for mount in program["volumeMounts"]}
    if "existingConfigSecret" in SETTINGS[setting]:
        assert not [m for m in rendered.all("ConfigMap") if m["metadata"]["name"] == full_name(rendered)]
        return
    text = sysflow_yaml(rendered)
    file = tmp_path / "sysflow.yaml"
    file.write_text(text)
    checked = sysflow("config", "check", file)
    assert checked.returncode == 0, f"{checked.stderr}\n{text}"
    config = load(text)
    sidekick = config["alerts"].get("falcosidekick", {})
    # Either a token or everybody, never neither: the program would refuse to start.
    assert ("token_file" in config["api"]) != config["api"].get("insecure", False)
    used = [config["inputs"][0]["socket"], *config.get("rules", {}).get("files", []), *([config["store"] + "/x"] if "store" in config else []),
            *([config["api"]["token_file"]] if "token_file" in config["api"] else []),
            *(sidekick[key] for key in ("ca_file", "client_cert", "client_key") if key in sidekick)]
    for path in used:
        assert path.rpartition("/")[0] in mounts, f"{path} is not mounted"
    assert program["args"][:3] == ["run", "--config", "/etc/sysflow/sysflow.yaml"] and "/etc/sysflow" in mounts
    assert config["api"]["listen"].endswith(f":{program['ports'][0]['containerPort']}")


def test_a_large_number_stays_a_number(charts):
    """Helm holds numbers as floating point and may write 1e+07."""
    assert load(sysflow_yaml(charts.sysflow(setting="claim")))["archive"]["max_mib"] == 10_000_000


@matrix
def test_the_plugin_takes_its_configuration(charts, plugin_schema, mode, setting):
    falco = drop_in(charts.sysflow(mode, setting))
    [plugin] = falco["plugins"]
    jsonschema.Draft202012Validator(plugin_schema).validate(plugin["init_config"])
    assert falco["load_plugins"] == [plugin["name"]] == ["sysflow"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(plugin_schema).validate(plugin["init_config"] | {"socket_path": "x"})


@matrix
def test_both_sides_meet(charts, mode, setting):
    """Falco finds the plugin, the drop-in and the socket, and trusts who serves it."""
    rendered = charts.sysflow(mode, setting)
    values, falco = falco_values(rendered), drop_in(rendered)
    [plugin] = falco["plugins"]
    mounts = {mount["mountPath"]: mount for mount in values["mounts"]["volumeMounts"]}
    folder = plugin["library_path"].rpartition("/")[0]
    installer = values["extra"]["initContainers"][0]
    assert installer["args"] == ["install", "--plugin", folder] and mounts[folder]["name"] == installer["volumeMounts"][0]["name"]
    assert values["falco"]["config_files"][-1] in mounts
    assert values["falco"]["config_files"][0] == "/etc/falco/config.d", "what Falco's chart sets by default stays"
    program = program_of(pod_of(rendered, mode))
    [served] = [mount for mount in program["volumeMounts"] if mount["name"] == "sysflow-run"]
    assert mounts[served["mountPath"]]["name"] == "sysflow-run"
    assert plugin["init_config"]["socket"].rpartition("/")[0] == served["mountPath"]
    sources = [{k: v for k, v in volume.items() if k != "name"} for pod in (pod_of(rendered, mode), values["mounts"])
               for volume in pod["volumes"] if volume["name"] == "sysflow-run"]
    assert sources[0] == sources[1]
    uid = program["securityContext"]["runAsUser"]
    if mode == "sidecar":
        assert plugin["init_config"]["peer_uids"] == [uid]
        assert program["restartPolicy"] == "Always" and "emptyDir" in sources[0]
    else:
        [owner] = pod_of(rendered, mode)["initContainers"]
        assert owner["args"][:5] == ["install", "--owner", str(uid), "--own", "/run/sysflow"]
    assert program["image"] == installer["image"], "both sides are of one version"


@matrix
def test_containers_are_restricted(charts, mode, setting):
    rendered = charts.sysflow(mode, setting)
    values = falco_values(rendered)
    containers = pod_of(rendered, mode)["containers"] + values["extra"]["initContainers"] + rendered.get("Pod")["spec"]["containers"]
    for container in containers:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"]["drop"] == ["ALL"] and context["seccompProfile"] == {"type": "RuntimeDefault"}
        if container["name"] != "sysflow-directories":
            assert context["runAsNonRoot"] is True and context["runAsUser"] > 0 and "add" not in context["capabilities"]
        assert container["resources"]["limits"]["memory"]
    host_paths = [volume for volume in pod_of(rendered, mode)["volumes"] if "hostPath" in volume]
    if mode == "sidecar" and SETTINGS[setting].get("persistence", {}).get("type") != "hostPath":
        assert not host_paths
    if mode == "existing-falco":
        assert pod_of(rendered, mode)["automountServiceAccountToken"] is False
    assert not {"Secret", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "CustomResourceDefinition"} & {d["kind"] for d in rendered.objects}


@pytest.mark.parametrize("choice", ["full", "no-io-counts"])
def test_the_lists_of_system_calls_are_those_of_a_host(charts, choice):
    name = {"full": "sysflow.yaml", "no-io-counts": "sysflow-no-io-counts.yaml"}[choice]
    on_a_host = load((ROOT / "falco-config" / name).read_text())
    in_a_cluster = drop_in(charts.sysflow(falco={"syscalls": choice}))
    assert in_a_cluster["base_syscalls"] == on_a_host["base_syscalls"]
    assert in_a_cluster["append_output"] == on_a_host["append_output"]
    assert "base_syscalls" not in drop_in(charts.sysflow(falco={"syscalls": "stock"}))


@pytest.mark.parametrize("url, port", [
    ("http://falcosidekick:2801/", 2801), ("http://falcosidekick/", 80), ("https://sidekick.example/in", 443), ("https://[fd00::1]:2810/", 2810),
])
def test_the_policy_opens_the_way_to_falcosidekick(charts, url, port):
    policy = charts.sysflow(falcosidekick={"url": url}).get("NetworkPolicy")
    assert policy["spec"]["egress"][1]["ports"] == [{"protocol": "TCP", "port": port}]
    assert charts.sysflow().get("NetworkPolicy")["spec"]["egress"] == []


def test_browsers_may_come_by_every_name_that_leads_here(charts):
    hosts = load(sysflow_yaml(charts.sysflow(setting="everything", name="sec")))["api"]["allowed_hosts"]
    assert {"sec-sysflow", "sec-sysflow.falco.svc", "flow.example", "flow.internal.example"} <= set(hosts)


@pytest.mark.parametrize("mode", MODES)
def test_examples_are_what_the_chart_writes(charts, mode):
    """charts/sysflow/examples is for reading; `make charts-docs` writes it."""
    example = SYSFLOW_CHART / "examples" / f"falco-values-{mode}.yaml"
    rendered = charts.sysflow(mode)
    assert load(example.read_text()) == falco_values(rendered), f"run `make charts-docs` after\n{dump(falco_values(rendered))}"


@pytest.mark.parametrize("mode", MODES)
def test_notes_say_how_to_go_on(charts, mode):
    notes = charts.sysflow(mode, name="sec", namespace="security").notes
    assert "kubectl -n security get configmap sec-sysflow-falco-values -o go-template='{{index .data \"values.yaml\"}}'" in notes
    wanted = {"existing-falco": "-l app.kubernetes.io/instance=sec,app.kubernetes.io/name=sysflow -o", "sidecar": "-l app.kubernetes.io/name=falco -o"}
    assert wanted[mode] in notes and "helm uninstall sec -n security" in notes
    assert "let everybody in" not in notes
    assert "let everybody in" in charts.sysflow(mode, "everything").notes
    with_token = charts.sysflow(mode, "token").notes
    assert "let everybody in" not in with_token and "the Secret flow-token" in with_token


@pytest.mark.parametrize("mode", MODES)
def test_the_token_is_named_and_never_written(charts, mode):
    rendered = charts.sysflow(mode, "token")
    [volume] = [volume for volume in pod_of(rendered, mode)["volumes"] if volume["name"] == "sysflow-token"]
    assert volume["secret"] == {"secretName": "flow-token", "items": [{"key": "token", "path": "token"}]}
    assert load(sysflow_yaml(rendered))["api"]["frame_ancestors"] == ["https://ui.example:2802"]
    [test] = [pod for pod in rendered.all("Pod")]
    [container] = test["spec"]["containers"]
    assert container["env"] == [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "flow-token", "key": "token"}}}]
    assert '--header "Authorization: Bearer $TOKEN" "$url/api/' in container["args"][0]
    assert not rendered.all("Secret")


# === Upgrade and uninstall ===


@pytest.mark.parametrize("mode", MODES)
def test_an_upgrade_changes_nothing_that_cannot_change(charts, mode):
    """Kubernetes refuses a new selector; a Service keeps its address only under its name."""
    before, after = charts.sysflow(mode), charts.sysflow(mode, "everything", image={"repository": "r/sysflow", "tag": "9.9.9"})
    for kind, path in [("DaemonSet", ["spec", "selector"]), ("Service", ["spec", "selector"]), ("Service", ["metadata", "name"])]:
        if before.all(kind):
            old, new = before.get(kind), after.get(kind)
            for key in path:
                old, new = old[key], new[key]
            assert old == new, (kind, path)


def test_new_settings_restart_the_program(charts):
    def checksum(**more):
        return charts.sysflow(**more).get("DaemonSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum(service={"port": 80}) != checksum(config={"alerts": {"window": 30}})
    assert checksum(rules={"files": {"a.yaml": "1"}}) != checksum(rules={"files": {"a.yaml": "2"}})


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_left_behind(charts, mode):
    """All is namespaced and of the release; the only hook is the test; Falco starts without what the chart took along."""
    rendered = charts.sysflow(mode, "everything")
    for document in rendered.objects:
        annotations = document["metadata"].get("annotations", {})
        assert "helm.sh/resource-policy" not in annotations
        assert annotations.get("helm.sh/hook", "test") == "test"
        assert "finalizers" not in document["metadata"]
    volumes = {volume["name"]: volume for volume in falco_values(charts.sysflow("existing-falco"))["mounts"]["volumes"]}
    assert volumes["sysflow-conf"]["configMap"]["optional"] is True
