"""Records on disk: the processor is away for longer than the plugin's memory lasts, and the plugin's host dies meanwhile."""

import contextlib
import json
import socket
import subprocess

import pytest

import traces
from conftest import DATA, SYSFLOW, clean_environment, need_shared
from service import Posts, eventually, program
from test_crash import Service, archived

MIB = 1 << 20
# A block of the spool is some 256 KiB, so that files of this size hold a few.
PLUGIN = {"node": "n", "rotate": 30, "buffer_mib": 1}


def replay(service, capture, spool, **config):
    settings = PLUGIN | {"spool": {"dir": str(spool), "max_mib": 64}} | config
    return [SYSFLOW, "replay", capture, "--socket", service.socket, "--config", json.dumps(settings)]


def run(command):
    subprocess.run(command, check=True, capture_output=True, env=clean_environment(), timeout=120)


def read(path):
    for kind, record in traces.records(path):
        record.pop("filename", None)
        yield kind, record


@pytest.fixture(scope="module")
def load():
    return need_shared("data/captures/load.scap")


@pytest.fixture(scope="module")
def whole(load, tmp_path_factory):
    """All records of the capture."""
    path = tmp_path_factory.mktemp("whole") / "load.sf"
    run([SYSFLOW, "replay", load, "-o", path, "--config", json.dumps(PLUGIN)])
    records = list(read(path))
    assert path.stat().st_size > MIB // 2 and len(records) > 50_000, "more than memory holds"
    return records


@contextlib.contextmanager
def away(path):
    """In the processor's place somebody who listens and never answers; a replay does not start where nobody does."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield


def on_disk(spool, least):
    return lambda: len(found := sorted(spool.glob("*.sf"))) >= least and found


def test_away(load, whole, tmp_path):
    """The processor starts when memory has long been full: each record is archived once, in order."""
    spool = tmp_path / "spool"
    with Posts() as sidekick:
        service = Service(tmp_path, sidekick)
        command = replay(service, load, spool)
        with contextlib.ExitStack() as stack:
            with away(service.socket):
                host = stack.enter_context(program(command, tmp_path / "replay.log", env=clean_environment()))
                eventually("records are on disk", on_disk(spool, 2))
            with service:
                assert host.wait(120) == 0, (tmp_path / "replay.log").read_text()[-4000:]
                if list(spool.iterdir()):
                    # The service was ready too late for this host, which waits for some seconds only.
                    run(command)
                assert not list(spool.iterdir()), "all is delivered and deleted"
                assert archived(service.store / "archive") == whole


def test_killed_host(load, whole, tmp_path):
    """kill -9 of the host with records on disk: the next host, whose stream is another one, delivers them."""
    spool = tmp_path / "spool"
    with Posts() as sidekick:
        service = Service(tmp_path, sidekick)
        command = replay(service, load, spool)
        with (
            away(service.socket),
            program(command, tmp_path / "replay.log", env=clean_environment()) as host,
        ):
            eventually("records are on disk", on_disk(spool, 2))
            host.kill()
            host.wait()
        left = sorted(spool.glob("*.sf"))
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in left)
        first, last = left[0], left[-1]
        stream = traces.metadata(first)["sysflow.stream"]
        # An independent reader of .sf files sees the records, though blocks carry a checksum that it does not know.
        seen = list(read(first))
        assert len(seen) > 1000 and seen == whole[: len(seen)]
        # As if the kill had come in the middle of a write.
        with open(last, "r+b") as file:
            file.truncate(last.stat().st_size - 10)
        with service:
            eventually("the service is ready", service.is_ready)
            run(replay(service, DATA / "shop-normal.scap", spool, node="another"))
            assert not list(spool.iterdir()), "all is delivered and deleted"
            files = sorted((service.store / "archive").glob("*.sf"))
            ours = [path for path in files if traces.metadata(path)["sysflow.stream"] == stream]
            found = [record for path in ours for record in read(path)]
    assert ours == files[: len(ours)] and len(ours) < len(files), "what was left came first"
    assert len(found) > 1000 and found == whole[: len(found)]
    numbers = [int(traces.metadata(path)["sysflow.first"]) for path in ours]
    assert numbers[0] == 0 and numbers == sorted(numbers)
