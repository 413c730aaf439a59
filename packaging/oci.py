#!/usr/bin/env python3
"""Lays out the plugin as the OCI artifact that falcoctl installs, in a folder, without a registry.

    packaging/oci.py build/plugin-oci amd64=target/release/libsysflow.so [arm64=...]

`oras cp --from-oci-layout build/plugin-oci:0.1.0 registry.example/plugins/sysflow:0.1.0` brings it to a registry, from where
`falcoctl artifact install registry.example/plugins/sysflow:0.1.0` puts libsysflow.so into /usr/share/falco/plugins. The same input gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import pathlib
import re
import sys
import tarfile

CONFIG = "application/vnd.cncf.falco.plugin.config.v1+json"
LAYER = "application/vnd.cncf.falco.plugin.layer.v1+tar.gz"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
# What the plugin is built against; falcoctl refuses to follow where Falco's is another major or less.
PLUGIN_API = "3.12.0"


def main(arguments):
    if len(arguments) < 2 or not all("=" in argument for argument in arguments[1:]):
        sys.exit(__doc__)
    out, libraries = pathlib.Path(arguments[0]), dict(argument.split("=", 1) for argument in arguments[1:])
    layout = Layout(out)
    version = workspace_version()
    manifests = [layout.manifest(version, arch, pathlib.Path(library).read_bytes()) for arch, library in sorted(libraries.items())]
    layout.finish(version, manifests)
    print(f"{out}: sysflow {version} for {', '.join(sorted(libraries))}")


def workspace_version():
    text = (pathlib.Path(__file__).parents[1] / "Cargo.toml").read_text()
    return re.search(r'^\[workspace\.package\]\nversion = "(.*)"', text, re.M)[1]


class Layout:
    def __init__(self, folder):
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def blob(self, media_type, content):
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def json(self, media_type, value):
        return self.blob(media_type, json.dumps(value, separators=(",", ":"), sort_keys=True).encode())

    def manifest(self, version, arch, library):
        config = {"name": "sysflow", "version": version, "requirements": [{"name": "plugin_api_version", "version": PLUGIN_API}]}
        layer = self.blob(LAYER, archive(library)) | {"annotations": {"org.opencontainers.image.title": f"sysflow-{version}-linux-{arch}.tar.gz"}}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.json(CONFIG, config), "layers": [layer]}
        return self.json(MANIFEST, manifest) | {"platform": {"os": "linux", "architecture": arch}}

    def finish(self, version, manifests):
        annotations = {"org.opencontainers.image.source": "https://github.com/sysflow-telemetry/sysflow-falco", "org.opencontainers.image.licenses": "Apache-2.0"}
        index = self.json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": annotations})
        top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [index | {"annotations": {"org.opencontainers.image.ref.name": version}}]}
        (self.folder / "index.json").write_text(json.dumps(top, indent=1))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def archive(library):
    """The library at the top, where falcoctl unpacks it from; no times or names of this machine."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("libsysflow.so")
        entry.size, entry.mode = len(library), 0o755
        tar.addfile(entry, io.BytesIO(library))
    return packed.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
