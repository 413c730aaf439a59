"""SysFlow's own stream: a record a packet. From the plugin to the processor it brings the same records as the other stream."""

import json
import pathlib
import subprocess

import pytest

from conftest import DATA, SYSFLOW, clean_environment
from service import Posts, eventually
from test_crash import Service, archived


class Listening(Service):
    """`sysflow run` that listens for packets."""

    def __init__(self, folder, sidekick):
        pathlib.Path(folder).mkdir()
        super().__init__(folder, sidekick)
        config = json.loads(self.config.read_text())
        config["inputs"] = [{"socket": str(self.socket), "kind": "seqpacket"}]
        self.config.write_text(json.dumps(config))


@pytest.mark.parametrize("capture", ["shop-attack.scap", "host-mix.scap"])
def test_same_records(capture, tmp_path):
    with Posts() as sidekick, Service(tmp_path, sidekick) as stream, Listening(tmp_path / "p", sidekick) as packets:
        for service in (stream, packets):
            eventually("the service is ready", service.is_ready)
        config = {"schema": "v5", "rotate": 20, "seqpacket": str(packets.socket)}
        command = [SYSFLOW, "replay", DATA / capture, "--socket", stream.socket, "--config", json.dumps(config)]
        subprocess.run(command, check=True, capture_output=True, env=clean_environment(), timeout=120)
        want = archived(stream.store / "archive")
        assert len(want) > 1000

        def is_there():
            return sum(1 for _ in archived(packets.store / "archive")) == len(want)

        eventually("all packets are stored", is_there, 30)
        assert archived(packets.store / "archive") == want
