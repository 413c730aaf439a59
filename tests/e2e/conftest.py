"""Tests of the built program and plugin from outside.

SYSFLOW_BIN names the program (default target/debug/sysflow); libsysflow.so lies beside it. Data that is not part of
the project is found through SYSFLOW_SHARED (default ../shared beside the project); tests that need it are skipped
without it, but fail where CI is set.
"""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
SHARED = (ROOT / os.environ.get("SYSFLOW_SHARED", "../shared")).resolve()
SYSFLOW = (ROOT / os.environ.get("SYSFLOW_BIN", "target/debug/sysflow")).resolve()
VENV_BIN = pathlib.Path(os.environ.get("VIRTUAL_ENV", ROOT / "build" / "venv")) / "bin"

# Replaying the largest bundled capture takes seconds; this is what a loaded machine may need.
TIMEOUT = 180


def clean_environment(**more):
    """Environment without what would send a developer's alerts elsewhere, or colour the output."""
    kept = {k: v for k, v in os.environ.items() if k != "FALCOSIDEKICK_URL" and not k.startswith("SYSFLOW_")}
    return kept | {"NO_COLOR": "1", "RUST_BACKTRACE": "0"} | more


def run(*arguments, check=True, env=None, cwd=None):
    """Runs the program, and fails with all that it said unless its exit status is 0."""
    done = subprocess.run(
        [SYSFLOW, *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, env=env or clean_environment(), cwd=cwd,
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    if check and done.returncode != 0:
        pytest.fail(f"sysflow {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stderr[-4000:]}")
    return done


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def need_shared(what):
    """Path of something in the shared data; without it the test is skipped, or fails where CI is set."""
    path = SHARED / what
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is not here, and CI has to have it")
        pytest.skip("../shared is not here")
    return path


def shared_names(folder, pattern):
    """Names of shared files for a parametrised test; one that says `missing` when there are none."""
    return sorted(path.name for path in (SHARED / folder).glob(pattern)) or ["missing"]


@pytest.fixture(scope="session", autouse=True)
def built():
    for path in (SYSFLOW, SYSFLOW.parent / "libsysflow.so"):
        if not path.exists():
            pytest.exit(f"{path} is not here: run `cargo build --workspace` first", returncode=1)


@pytest.fixture(scope="session")
def demo():
    """Alerts of `sysflow demo --once -o json` on a bundled capture; each capture is replayed once."""
    alerts = {}

    def of(capture):
        if capture not in alerts:
            alerts[capture] = json_lines(run("demo", "--once", "-o", "json", "--capture", DATA / capture).stdout)
        return alerts[capture]

    return of
