"""Alerts reach Falcosidekick.

The stand-in follows what Falcosidekick's sources do with a request; where FALCOSIDEKICK names the program, the same
test runs with it and its own webhook output.
"""

import datetime
import json
import os
import re

import pytest

from conftest import DATA, clean_environment, json_lines, run
from service import Posts, eventually, free_port, get, program

PRIORITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "info", "debug"]


class StandIn(Posts):
    """Answers as Falcosidekick's intake does, and hands on what a webhook output would get."""

    def __init__(self):
        super().__init__(self.answer)
        self.accepted = []

    def answer(self, body):
        problem, alert = judge(body)
        if problem:
            return 400, problem
        self.accepted.append(alert)
        return 200, ""

    def counts(self):
        return len(self.accepted), len(self.bodies) - len(self.accepted)

    def forwarded(self):
        return self.accepted

    url = property(lambda self: f"http://127.0.0.1:{self.port}/")


def judge(body):
    """What Falcosidekick makes of a request: the first JSON object counts, the rest of the body is not looked at."""
    try:
        alert, _ = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except ValueError as error:
        return f"not JSON: {error}", None
    if not isinstance(alert, dict):
        return "not an object", None
    for name in ("output", "rule", "source", "hostname", "priority", "time"):
        if not isinstance(alert.get(name, ""), str):
            return f"{name} is no string", None
    if not isinstance(alert.get("tags", []), list) or not all(isinstance(tag, str) for tag in alert.get("tags", [])):
        return "tags are no strings", None
    if alert.get("priority", "").lower() not in PRIORITIES or not alert.get("rule"):
        return "no priority or rule", None
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", alert.get("time", "")):
        return "time is not RFC 3339", None
    fields = alert.get("output_fields")
    if not isinstance(fields, dict) or not fields:
        return "no output_fields", None
    for name in ("k8s.ns.name", "k8s.pod.name"):
        if not isinstance(fields.get(name), (str, type(None))):
            return f"{name} would end the connection without an answer", None
    return None, alert


class Program:
    """The program, with its webhook output pointed at a server of this test."""

    def __init__(self, binary, folder):
        self.webhook, self.port = Posts(), free_port()
        config = folder / "sidekick.yaml"
        config.write_text(
            f"listenaddress: 127.0.0.1\nlistenport: {self.port}\n"
            f"webhook:\n  address: http://127.0.0.1:{self.webhook.port}/hook\n"
        )
        self.process = program([binary, "-c", config], folder / "sidekick.log", env=clean_environment())

    def __enter__(self):
        self.webhook.__enter__()
        self.process.__enter__()
        eventually("Falcosidekick listens", lambda: get(self.port, "/ping")[0] == 200)
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)
        self.webhook.__exit__(*error)

    def counts(self):
        """Requests accepted and refused, by its own metrics."""
        text = get(self.port, "/metrics")[1]
        lines = [line for line in text.splitlines() if re.match(r"(falcosecurity_)?falcosidekick_inputs_total\{", line)]
        total = sum(float(line.rsplit(" ", 1)[1]) for line in lines)
        accepted = sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'status="accepted"' in line or 'status="ok"' in line)
        return accepted, total - accepted

    def forwarded(self):
        return self.webhook.alerts

    url = property(lambda self: f"http://127.0.0.1:{self.port}/")


@pytest.fixture(params=["stand-in", "program"])
def sidekick(request, tmp_path):
    if request.param == "stand-in":
        sidekick = StandIn()
    elif binary := os.environ.get("FALCOSIDEKICK"):
        sidekick = Program(binary, tmp_path)
    else:
        pytest.skip("FALCOSIDEKICK names no program")
    with sidekick:
        yield sidekick


def test_every_alert_is_accepted(sidekick):
    arguments = ["demo", "--once", "-o", "json", "--capture", DATA / "shop-attack.scap"]
    printed = json_lines(run(*arguments, env=clean_environment(FALCOSIDEKICK_URL=sidekick.url)).stdout)
    assert printed
    assert sidekick.counts() == (len(printed), 0)
    eventually("all alerts are forwarded", lambda: len(sidekick.forwarded()) >= len(printed))
    key = lambda alert: (moment(alert["time"]), alert["rule"], alert["output"])
    sent, forwarded = sorted(printed, key=key), sorted(sidekick.forwarded(), key=key)
    assert [key(alert) for alert in forwarded] == [key(alert) for alert in sent]
    for before, after in zip(sent, forwarded):
        for name in ("sf.graphid", "sf.graph_url", "sf.proc.cmdline", "sf.container.name"):
            assert after["output_fields"].get(name) == before["output_fields"].get(name), name
        assert set(before["tags"]) <= set(after["tags"])


def moment(time):
    """Time to the microsecond: a program may write fewer digits of the fraction."""
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", time).replace("Z", "+00:00"))


def test_each_post_is_one_alert_that_is_not_cut():
    """Beyond 4096 bytes Falcosidekick cuts every text over 512 bytes, which may split a character."""
    with StandIn() as sidekick:
        arguments = ["demo", "--once", "-o", "json", "--capture", DATA / "shop-attack.scap"]
        run(*arguments, env=clean_environment(FALCOSIDEKICK_URL=sidekick.url))
        assert sidekick.bodies and set(sidekick.paths) == {"/"}
        for body in sidekick.bodies:
            assert json.loads(body)["output_fields"] and len(body) < 4096


def test_an_outage_loses_nothing():
    """The first posts are refused by whatever stands in front; each alert still arrives, once."""
    refusals = iter([503] * 3)
    accepted = []

    def answer(body):
        status = next(refusals, 200)
        if status == 200:
            accepted.append(json.loads(body))
        return status, "busy" if status != 200 else ""

    with Posts(answer) as sidekick:
        arguments = ["demo", "--once", "-o", "json", "--capture", DATA / "shop-attack.scap"]
        url = f"http://127.0.0.1:{sidekick.port}/"
        printed = json_lines(run(*arguments, env=clean_environment(FALCOSIDEKICK_URL=url)).stdout)
    assert sorted(alert["output"] for alert in accepted) == sorted(alert["output"] for alert in printed)
