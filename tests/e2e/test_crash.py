"""Kills: whatever dies, and whenever, each record is kept once and each alert is told under one id.

The measure is an undisturbed run over the same capture. With TEST_FULL (`make test-full`) there are ten times as many kills.
"""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import socket
import subprocess
import threading
import time
import zlib

import pytest

import traces
from conftest import DATA, SYSFLOW, clean_environment, json_lines
from service import Posts, eventually, free_port, get, program

CAPTURE = DATA / "shop-attack.scap"
SEEDS = range(10 if os.environ.get("TEST_FULL") else 1)
# A header every five seconds of the recording: files are closed and compressed all the time.
PLUGIN = {"rotate": 5}
# Windows that end within the recording, so that counts are told too.
WINDOW = 2
# How long a message of the plugin is held up on its way, so that the capture lasts as long as there are kills.
PAUSE = 0.02


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is left of a run."""

    records: list
    #: Of each alert's id at Falcosidekick, in the file and in the API: the highest count that was told.
    posted: dict
    written: dict
    known: dict
    graphs: dict


class Service:
    """`sysflow run` with a store, which may be killed and started again."""

    def __init__(self, folder, sidekick):
        self.folder, self.sidekick, self.port = pathlib.Path(folder), sidekick, free_port()
        self.socket, self.store, self.file = (self.folder / name for name in ("s.sock", "store", "alerts.jsonl"))
        self.config = self.folder / "sysflow.yaml"
        self.config.write_text(json.dumps({
            "inputs": [{"socket": str(self.socket)}],
            "store": str(self.store),
            "api": {"listen": f"127.0.0.1:{self.port}", "public_url": "http://sysflow"},
            "alerts": {
                "window": WINDOW,
                "file": str(self.file),
                "falcosidekick": {"url": f"http://127.0.0.1:{sidekick.port}/"},
            },
        }))
        self.process = None

    def start(self):
        with open(self.folder / "service.log", "ab") as log:
            self.process = subprocess.Popen(
                [SYSFLOW, "run", "--config", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
            )

    def is_ready(self):
        assert self.process.poll() is None, (self.folder / "service.log").read_text()[-4000:]
        return get(self.port, "/readyz")[0] == 200

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def stored(self):
        """Bytes in the archive; grows with it until a file is compressed."""
        with contextlib.suppress(OSError):
            return sum(path.stat().st_size for path in (self.store / "archive").glob("*.sf"))
        return 0

    def outcome(self):
        graphs = get(self.port, "/api/v1/graphs?limit=1000")[1]["graphs"]
        alerts = get(self.port, "/api/v1/alerts?limit=1000")[1]["alerts"]
        return Outcome(
            archived(self.store / "archive"),
            counts(self.sidekick.alerts),
            counts(json_lines(self.file.read_text())),
            counts(alerts),
            {graph["id"]: get(self.port, f"/api/v1/graphs/{graph['id']}")[1] for graph in graphs},
        )


def archived(folder):
    """All records; fails unless each number of the one stream is there exactly once."""
    found, streams = [], set()
    for path in sorted(folder.glob("*.sf")):
        metadata = traces.metadata(path)
        streams.add(metadata["sysflow.stream"])
        assert int(metadata["sysflow.first"]) == len(found), f"{path.name} does not follow the file before"
        for kind, record in traces.records(path):
            # The socket's path, which is another one in each run.
            record.pop("filename", None)
            found.append((kind, record))
    assert len(streams) == 1
    assert not list(folder.glob("*.damaged"))
    return found


def counts(alerts):
    """The highest count told of each id; fails when an id is told of two different things."""
    told, what = collections.defaultdict(int), {}
    for alert in alerts:
        fields = alert["output_fields"]
        key = fields["sf.alert.id"]
        told[key] = max(told[key], fields.get("sf.count", 1))
        told_of = (alert["rule"], fields.get("sf.graphid"), fields["sf.proc.pid"])
        assert what.setdefault(key, told_of) == told_of
    return dict(told)


def replay(service, via=None):
    return [SYSFLOW, "replay", CAPTURE, "--socket", via or service.socket, "--config", json.dumps(PLUGIN)]


def is_settled(service, whole):
    return lambda: (
        service.is_ready() and counts(service.sidekick.alerts) == whole.posted
        and counts(json_lines(service.file.read_text())) == whole.written
        and counts(get(service.port, "/api/v1/alerts?limit=1000")[1]["alerts"]) == whole.known
    )


def compare(service, whole):
    with contextlib.suppress(AssertionError):
        eventually("the last counts are told", is_settled(service, whole), 20)
    found = service.outcome()
    assert len(found.records) == len(whole.records)
    assert found.records == whole.records, "each record once, in order"
    assert found.known == whole.known
    assert found.posted == whole.posted, "Falcosidekick: none lost, none under another id"
    assert found.written == whole.written, "the file: none lost, none under another id"
    assert found.graphs == whole.graphs, "nothing is counted twice in a graph"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with Posts() as sidekick, Service(tmp_path_factory.mktemp("whole"), sidekick) as service:
        eventually("the service is ready", service.is_ready)
        started = time.monotonic()
        subprocess.run(replay(service), check=True, capture_output=True, env=clean_environment(), timeout=120)
        took = time.monotonic() - started
        # All windows have ended, and nothing more is told.
        last, still = None, 0
        while still < 3:
            time.sleep(1)
            now = (len(sidekick.bodies), service.file.stat().st_size)
            last, still = now, still + 1 if now == last else 0
        outcome = service.outcome()
    assert len(outcome.records) > 1000 and len(outcome.posted) > 20 and max(outcome.posted.values()) > 1
    assert outcome.posted == outcome.written == outcome.known
    return outcome, took


class Throttle:
    """A socket in front of another one that takes a moment for each message, and cuts it in two."""

    def __init__(self, path, target, pause):
        self.target, self.pause = target, pause
        #: Set once a connection goes through to the processor.
        self.through = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        in_background(self.accept)

    def accept(self):
        """Takes connections also while the processor is away, so that the plugin does not wait longer and longer."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                in_background(self.carry, near)

    def carry(self, near):
        far = socket.socket(socket.AF_UNIX)
        with near, far, contextlib.suppress(OSError):
            self.reach(far)
            self.through.set()
            in_background(self.answer, far, near)
            with near.makefile("rb") as messages:
                while head := messages.read(4):
                    message = head + messages.read(int.from_bytes(head, "little"))
                    cut = zlib.crc32(message) % len(message)
                    far.sendall(message[:cut])
                    time.sleep(self.pause)
                    far.sendall(message[cut:])
            # Closing it alone would not wake the other thread.
            far.shutdown(socket.SHUT_RDWR)

    def reach(self, far):
        while True:
            try:
                return far.connect(str(self.target))
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.005)

    def answer(self, far, near):
        with contextlib.suppress(OSError):
            while content := far.recv(4096):
                near.sendall(content)
            near.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


def in_background(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_processor(seed, undisturbed, tmp_path):
    """kill -9 of the processor at 50 random moments, while records come, files are compressed and alerts are told."""
    whole, _ = undisturbed
    kills, chance = 50, random.Random(seed)
    lives = [chance.uniform(0.0, 0.3) for _ in range(kills)]
    through = tmp_path / "through.sock"
    grown, before = 0, 0
    with Posts() as sidekick, Service(tmp_path, sidekick) as service:
        throttle = Throttle(through, service.socket, PAUSE)
        feeding = threading.Event()
        feeder = threading.Thread(target=feed, args=(replay(service, through), feeding), daemon=True)
        eventually("the service is ready", service.is_ready)
        feeder.start()
        for nth, life in enumerate(lives):
            # Each fifth life is counted from the start of the process, so that it may end before anything is ready.
            if nth % 5:
                throttle.through.wait(10)
            time.sleep(life)
            service.kill()
            throttle.through.clear()
            stored = service.stored()
            grown, before = grown + (stored != before), stored
            service.start()
        throttle.pause = 0
        feeding.set()
        feeder.join(60)
        assert not feeder.is_alive()
        compare(service, whole)
        throttle.close()
        assert (service.store / "state" / "checkpoint").exists(), "starts go on from there"
    assert grown >= kills // 4, f"only {grown} of {kills} kills came while records did"


def feed(command, last):
    """Replays again and again, until one replay that ended after `last` was set has delivered everything."""
    while True:
        is_last = last.is_set()
        done = subprocess.run(command, capture_output=True, env=clean_environment())
        if is_last and done.returncode == 0:
            return


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_host(seed, undisturbed, tmp_path):
    """kill -9 of the plugin's host at 20 random moments; each time it begins again with the same capture."""
    (whole, took), chance = undisturbed, random.Random(seed)
    with Posts() as sidekick, Service(tmp_path, sidekick) as service:
        eventually("the service is ready", service.is_ready)
        for _ in range(20):
            with program(replay(service), tmp_path / "replay.log", env=clean_environment()) as host:
                time.sleep(chance.uniform(0.0, took))
                host.kill()
        subprocess.run(replay(service), check=True, capture_output=True, env=clean_environment(), timeout=120)
        compare(service, whole)
