"""Charts rendered by Helm itself (its SDK, from PyPI), and what the tests ask of the result."""

import collections
import functools
import json

import helm_python as helm
import yaml

from conftest import ROOT

SYSFLOW_CHART = ROOT / "charts" / "sysflow"
STACK_CHART = ROOT / "charts" / "sysflow-stack"
IMAGE = {"repository": "registry.example/security/sysflow", "tag": "1.2.3"}

# Values that differ as clusters do: name to values, over an image that every installation has to name.
SETTINGS = {
    "default": {},
    "sidekick": {"falcosidekick": {"url": "http://falcosidekick:2801/"}},
    "tls": {"falcosidekick": {"url": "https://sidekick.other.svc/", "tls": {"caSecret": "sidekick-ca", "clientSecret": "sidekick-client"}}},
    "stock": {"falco": {"syscalls": "stock", "plugin": {"env": "names", "flow": {"export": 60}}}},
    "no-io-counts": {"falco": {"syscalls": "no-io-counts", "bufferPreset": 6}},
    "host-store": {"persistence": {"type": "hostPath"}, "hostPort": 8686, "publicUrl": "http://$(NODE_IP):8686"},
    "claim": {"persistence": {"type": "ephemeral", "storageClassName": "fast"}, "config": {"archive": {"max_mib": 10_000_000}}},
    "no-store": {"persistence": {"type": "none"}, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}},
    "rules": {"rules": {"files": {"b.yaml": "- list: x\n  items: []\n", "a.yaml": "- list: y\n  items: []\n"}}},
    "rules-elsewhere": {"rules": {"existingConfigMap": "our-rules", "keys": ["own.yaml"]}, "existingConfigSecret": "whole-config"},
    "token": {"api": {"existingTokenSecret": "flow-token", "frameAncestors": ["https://ui.example:2802"]}, "hostPort": 8686},
    "everything": {
        "image": {**IMAGE, "digest": "sha256:" + "0" * 64}, "imagePullSecrets": [{"name": "pull"}], "publicUrl": "https://flow.example",
        "falcosidekick": {"url": "http://10.0.0.7:12801/x"}, "listenAddress": "[::]", "priorityClassName": "system-node-critical",
        "podAnnotations": {"a": "1"}, "podLabels": {"team": "blue"}, "nodeSelector": {"kubernetes.io/os": "linux"}, "runAsUser": 1234,
        "affinity": {"nodeAffinity": {}}, "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "service": {"type": "NodePort", "port": 80, "annotations": {"b": "2"}}, "serviceAccount": {"annotations": {"c": "3"}},
        "ingress": {"enabled": True, "className": "nginx", "annotations": {"d": "4"}, "hosts": ["flow.example"],
                    "tls": [{"secretName": "flow-tls", "hosts": ["flow.example"]}]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["flow.example", "flow.internal.example"]},
        "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
        "podDisruptionBudget": {"enabled": True}, "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True, "annotations": {"folder": "Security"}},
        "config": {"node": "n", "alerts": {"stdout": "text", "window": 30, "queue_mib": 64}, "archive": {"max_hours": 24, "sync": True}, "limits": {"graphs": 1_000_000}},
    },
}
MODES = ["existing-falco", "sidecar"]
# A release may have 53 characters; names have to stay valid and apart then too.
NAMES = ["sysflow", "sec", "my-sysflow", "r" * 53]
NAMESPACES = ["falco", "default"]


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: a key that stands there twice is an error."""


def _mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = [key for key, count in collections.Counter(keys).items() if count > 1]
    if twice:
        raise yaml.YAMLError(f"{twice} twice{node.start_mark}")
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(text):
    return yaml.load(text, Loader)


class Rendered:
    """Objects of a release."""

    def __init__(self, files):
        self.files = files
        self.notes = "".join(text for path, text in files.items() if path.endswith("NOTES.txt"))
        self.objects = [
            document for path, text in files.items() if not path.endswith(".txt")
            for document in yaml.load_all(text, Loader) if document
        ]

    def all(self, kind):
        return [document for document in self.objects if document["kind"] == kind]

    def get(self, kind, name=None):
        found = [document for document in self.all(kind) if name in (None, document["metadata"]["name"])]
        assert len(found) == 1, f"{kind} {name or ''}: {[document['metadata']['name'] for document in found]}"
        return found[0]

    def data(self, name, key):
        return self.get("ConfigMap", name)["data"][key]


class Charts:
    """Charts that are loaded once."""

    def __init__(self):
        self.loaded = {}

    def render(self, path, values, name="sysflow", namespace="falco"):
        """As `helm install` would: the schema is asked first."""
        chart = self.chart(path)
        chart.validate_schema(values)
        return Rendered(chart.render(values, name=name, namespace=namespace))

    def chart(self, path):
        if path not in self.loaded:
            self.loaded[path] = helm.Chart.load(path)
        return self.loaded[path]

    @functools.cache
    def _sysflow(self, mode, setting, name, namespace):
        return self.render(SYSFLOW_CHART, {"image": IMAGE, "mode": mode, **SETTINGS[setting]}, name, namespace)

    def sysflow(self, mode="existing-falco", setting="default", name="sysflow", namespace="falco", **more):
        if not more:
            return self._sysflow(mode, setting, name, namespace)
        return self.render(SYSFLOW_CHART, {"image": IMAGE, "mode": mode, **SETTINGS[setting], **more}, name, namespace)


def pod_of(rendered, mode):
    """The pod that holds the program: our own, or what Falco's chart makes of our values (initContainers, volumes)."""
    if mode == "existing-falco":
        return rendered.get("DaemonSet")["spec"]["template"]["spec"]
    values = falco_values(rendered)
    return {"initContainers": values["extra"]["initContainers"], "volumes": values["mounts"]["volumes"], "containers": []}


def program_of(pod):
    found = [container for container in pod["containers"] + pod["initContainers"] if container["name"] == "sysflow"]
    assert len(found) == 1, found
    return found[0]


def full_name(rendered):
    return rendered.get("Service")["metadata"]["name"]


def falco_values(rendered):
    return load(rendered.data(f"{full_name(rendered)}-falco-values", "values.yaml"))


def drop_in(rendered):
    return load(rendered.data(f"{full_name(rendered)}-plugin", "sysflow.yaml"))


def sysflow_yaml(rendered):
    return rendered.data(full_name(rendered), "sysflow.yaml")


def dump(value):
    return json.dumps(value, indent=1, sort_keys=True)
