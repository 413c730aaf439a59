"""Charts, drop-ins and packages: rendered, checked against Kubernetes and against the program that they configure.

SYSFLOW_BIN names the program (default target/debug/sysflow); libsysflow.so lies beside it.
"""

import ctypes
import importlib.util
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYSFLOW = (ROOT / os.environ.get("SYSFLOW_BIN", "target/debug/sysflow")).resolve()
PLUGIN = SYSFLOW.parent / "libsysflow.so"

# Helm comes from PyPI as a wheel that not every machine has.
if importlib.util.find_spec("helm_python") is None:
    if os.environ.get("CI"):
        pytest.exit("helm-python-sdk is not installed, and CI has to have it: run tests/setup.sh test", returncode=1)
    print("skipped: tests of the charts need helm-python-sdk, which is not installed (it has no wheel for this machine)")
    collect_ignore = [path.name for path in pathlib.Path(__file__).parent.glob("test_*.py") if "charts import" in path.read_text()]


@pytest.fixture(scope="session", autouse=True)
def built():
    for path in (SYSFLOW, PLUGIN):
        if not path.exists():
            pytest.exit(f"{path} is not here: run `cargo build --workspace` first", returncode=1)


@pytest.fixture(scope="session")
def charts():
    from charts import Charts

    return Charts()


@pytest.fixture(scope="session")
def plugin_schema():
    """What the plugin itself says about its `init_config`; Falco checks against the same."""
    ask = ctypes.CDLL(str(PLUGIN)).plugin_get_init_schema
    ask.restype = ctypes.c_char_p
    return json.loads(ask(ctypes.byref(ctypes.c_int())))


def sysflow(*arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SYSFLOW_")}
    return subprocess.run([SYSFLOW, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment)
