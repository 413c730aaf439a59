"""What is installed on a host and what goes into the image: unit, Debian package, Dockerfile.

The image itself is built where a container registry can be reached (the release workflow); here stands what can be said without.
"""

import ctypes
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from charts import SYSFLOW_CHART, load
from conftest import PLUGIN, ROOT, SYSFLOW, sysflow

PACKAGING = ROOT / "packaging"
# Debian 12, where the image and the package are built, and on which the image is based.
GLIBC = (2, 36)
# What distroless/cc holds besides the C library's own.
IN_BASE_IMAGE = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"}


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, **options)


# === The service on a host ===


def test_the_host_configuration_is_taken():
    checked = sysflow("config", "check", PACKAGING / "sysflow.yaml")
    assert checked.returncode == 0, checked.stderr
    commented = (PACKAGING / "sysflow.yaml").read_text().replace("# falcosidekick:", "falcosidekick:").replace("#   url:", "  url:")
    assert load(commented)["alerts"]["falcosidekick"]["url"].startswith("http://"), "the lines in comments are right too"


def test_unit_and_configuration_agree():
    unit, config = (PACKAGING / "sysflow.service").read_text(), load((PACKAGING / "sysflow.yaml").read_text())
    for name, path in [("RuntimeDirectory", config["inputs"][0]["socket"].rpartition("/")[0]), ("StateDirectory", config["store"])]:
        parent = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib"}[name]
        assert f"\n{name}={path.removeprefix(parent + '/')}\n" in unit
    assert "\nRuntimeDirectoryMode=0755\n" in unit, "the plugin trusts the owner only if nobody else can write there"
    assert "\nPrivateUsers=" not in unit
    falco = load((ROOT / "falco-config" / "sysflow.yaml").read_text())
    assert falco["plugins"][0]["init_config"]["socket"] == config["inputs"][0]["socket"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_takes_the_unit(tmp_path):
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(PACKAGING / "sysflow.service", units)
    for needed in ("sysinit", "basic", "shutdown", "network", "multi-user"):
        (units / f"{needed}.target").write_text("[Unit]\n")
    for program in ("usr/bin/sysflow", "bin/sh"):
        (tmp_path / program).parent.mkdir(exist_ok=True)
        (tmp_path / program).touch(0o755)
    checked = run("systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", "sysflow.service")
    assert "sysflow.service" not in checked.stderr and "Unknown" not in checked.stderr, checked.stderr
    graded = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", PACKAGING / "sysflow.service")
    assert graded.returncode == 0, graded.stdout


# === Debian ===


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not here")
    out = tmp_path_factory.mktemp("deb")
    made = run(PACKAGING / "deb.sh", SYSFLOW.parent, out, env={**os.environ, "DEB_COMPRESSION": "none"})
    assert made.returncode == 0, made.stderr
    [file] = out.glob("*.deb")
    return file


def test_what_the_package_holds(package):
    listed = {line.split()[5].removeprefix("."): line.split()[:2] for line in run("dpkg-deb", "-c", package).stdout.splitlines()}
    assert listed["/usr/bin/sysflow"] == ["-rwxr-xr-x", "root/root"]
    assert listed["/usr/share/falco/plugins/libsysflow.so"] == ["-rw-r--r--", "root/root"]
    assert not [path for path in listed if path.startswith("/etc/falco")], "what Falco loads is the operator's choice"
    for file in (ROOT / "falco-config").iterdir():
        assert f"/usr/share/sysflow/falco-config/{file.name}" in listed
    assert run("dpkg-deb", "-f", package, "Architecture").stdout == run("dpkg", "--print-architecture").stdout


INSTALL = r"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$2" "$1/root/sysflow.deb"
rm -rf "$1/root/run/systemd" "$1/root/etc/falco"
[ "$3" = try ] && exit
chroot "$1/root" /bin/sh -ec '
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin
  dpkg -i /sysflow.deb
  echo "user $(id -un "$(id -u sysflow)")"
  sysflow config check /etc/sysflow/sysflow.yaml
  mkdir -p /etc/falco/config.d
  ln -s /usr/share/sysflow/falco-config/sysflow.yaml /etc/falco/config.d/
  test -e /etc/falco/config.d/sysflow.yaml
  cp /usr/share/sysflow/falco-config/sysflow.yaml /etc/falco/config.d/own.yaml
  mkdir -p /var/lib/sysflow/archive
  echo "# changed" >> /etc/sysflow/sysflow.yaml
  dpkg -r sysflow
  echo "left: $(cd /etc/falco/config.d; echo *) $(tail -n 1 /etc/sysflow/sysflow.yaml)"
  test -d /var/lib/sysflow/archive
  dpkg -P sysflow
'
# All that was written, and not removed again, lies in the upper layer.
find "$1/upper" -name '*sysflow*' ! -path "$1/upper/sysflow.deb" ! -path '*/etc/falco/*' -printf 'remains: %P\n'
"""


def test_it_is_installed_and_goes_without_trace(package, tmp_path):
    """In a copy of this machine that is thrown away."""
    def unshared(what):
        return run("unshare", "-m", "bash", "-c", INSTALL, "install", tmp_path, package, what)

    if not shutil.which("unshare") or os.geteuid() != 0 or unshared("try").returncode != 0 or not os.path.exists("/usr/bin/systemd-sysusers"):
        pytest.skip("installing for a trial needs root, overlayfs and systemd-sysusers")
    done = unshared("install")
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ["user sysflow", "sysflow.yaml: fine", "left: own.yaml # changed"]:
        assert said in done.stdout, done.stdout + done.stderr
    assert "remains:" not in done.stdout, done.stdout
    assert "/etc/falco/config.d/own.yaml loads the plugin" in done.stderr


# === The image ===


def instructions():
    text = re.sub(r"\\\n", " ", (PACKAGING / "Dockerfile").read_text())
    return [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_image_is_made_of_what_is_here():
    stages = [argument.split(" AS ")[1] for name, argument in instructions() if name == "FROM" and " AS " in argument]
    ignored = (PACKAGING / "Dockerfile.dockerignore").read_text().split()
    for name, argument in instructions():
        if name == "COPY":
            *sources, _ = re.sub(r"--from=\S+ ", "", argument).split()
            if (stage := re.match(r"--from=(\S+)", argument)):
                assert stage[1] in stages
                continue
            for source in sources:
                assert (ROOT / source).exists() and source.strip("/") not in ignored, source
        elif name == "RUN":
            for package in re.findall(r"-p (\S+)", argument):
                assert any(f'name = "{package}"' in path.read_text() for path in ROOT.glob("*/Cargo.toml")), package
            for file in re.findall(r"LICENSE|NOTICE", argument):
                assert (ROOT / file).exists()


def test_the_image_is_what_the_chart_expects():
    final = instructions()
    last = max(at for at, (name, _) in enumerate(final) if name == "FROM")
    stage = dict(final[last:])
    uid = load((SYSFLOW_CHART / "values.yaml").read_text())["runAsUser"]
    assert stage["USER"] == f"{uid}:{uid}"
    assert stage["ENTRYPOINT"] == '["/usr/bin/sysflow"]', "charts give arguments only"
    assert stage["EXPOSE"] == "8686"
    for command in ("run", "install"):
        assert sysflow(command, "--help").returncode == 0, "init containers and the service use it"


@pytest.mark.parametrize("file", [SYSFLOW, PLUGIN], ids=["sysflow", "libsysflow.so"])
def test_the_base_image_holds_all_that_is_linked(file):
    """Of a debug build, which links no less."""
    if not shutil.which("objdump"):
        pytest.skip("objdump is not here")
    private = run("objdump", "-p", file).stdout
    needed = set(re.findall(r"NEEDED\s+(\S+)", private))
    assert needed and {name for name in needed if not name.startswith("ld-linux")} <= IN_BASE_IMAGE
    versions = {tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_([0-9.]+)", private)}
    assert max(versions) <= GLIBC, "built on a system with a later C library than that of Debian 12"


def test_the_plugin_is_an_artifact_for_falcoctl(tmp_path):
    library = tmp_path / "libsysflow.so"
    library.write_bytes(PLUGIN.read_bytes()[:100_000])
    layouts = [tmp_path / "one", tmp_path / "two"]
    for layout in layouts:
        made = run(PACKAGING / "oci.py", layout, f"amd64={library}", f"arm64={library}")
        assert made.returncode == 0, made.stderr
    assert layouts[0].joinpath("index.json").read_text() == layouts[1].joinpath("index.json").read_text(), "the same input, the same bytes"

    def blob(descriptor):
        content = (layouts[0] / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        assert len(content) == descriptor["size"] and hashlib.sha256(content).hexdigest() == descriptor["digest"].removeprefix("sha256:")
        return content

    [top] = json.loads((layouts[0] / "index.json").read_text())["manifests"]
    manifests = json.loads(blob(top))["manifests"]
    assert [manifest["platform"] for manifest in manifests] == [{"os": "linux", "architecture": arch} for arch in ("amd64", "arm64")]
    for descriptor in manifests:
        manifest = json.loads(blob(descriptor))
        config = json.loads(blob(manifest["config"]))
        assert (config["name"], config["version"]) == ("sysflow", top["annotations"]["org.opencontainers.image.ref.name"])
        asks = ctypes.CDLL(str(PLUGIN)).plugin_get_required_api_version
        asks.restype = ctypes.c_char_p
        assert config["requirements"] == [{"name": "plugin_api_version", "version": asks().decode()}]
        with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]))) as tar:
            assert tar.getnames() == ["libsysflow.so"] and tar.extractfile("libsysflow.so").read() == library.read_bytes()


def test_the_release_calls_what_is_there():
    """It cannot be run here; that it is YAML and names what exists can be said."""
    workflow = load((ROOT / ".github/workflows/release.yml").read_text())
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert all(run("bash", "-n", "-c", re.sub(r"\$\{\{.*?\}\}", "x", command)).returncode == 0 for command in commands)
    text = "\n".join(commands)
    for path in re.findall(r"\b(?:packaging|charts|processor|plugin)/[\w./-]+", text):
        assert (ROOT / path).exists() or path.endswith(".cdx.json"), path
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= set(targets)
    for job in workflow["jobs"].values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(workflow["jobs"])


def test_versions_agree():
    [version] = re.findall(r'^\[workspace\.package\]\nversion = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)
    for chart in ("sysflow", "sysflow-stack"):
        about = load((ROOT / "charts" / chart / "Chart.yaml").read_text())
        assert (about["version"], str(about["appVersion"])) == (version, version)
    assert load((ROOT / "charts/sysflow-stack/values.yaml").read_text())["sysflow"]["image"]["tag"] == version
