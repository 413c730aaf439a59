"""The API and page of a demo that stays up."""

import pytest

import story
from conftest import DATA
from service import eventually, free_port, get, sysflow


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    port = free_port()
    log = tmp_path_factory.mktemp("api") / "log"
    arguments = ["demo", "--speed", "max", "--listen", f"127.0.0.1:{port}", "-o", "json"]
    with sysflow(log, *arguments, "--capture", DATA / "shop-attack.scap") as process:
        try:
            eventually("the service is ready", lambda: get(port, "/readyz")[0] == 200)
            eventually("the whole capture is replayed", lambda: replayed(port), 120)
        except AssertionError as error:
            pytest.fail(f"{error}\n{log.read_text(errors='replace')[-4000:]}")
        assert process.poll() is None, "without --once the demo stays up"
        yield port


def replayed(port):
    """Python's exit 30 s after the intrusion ends is in the graph."""
    return any(i["pid"] == story.PYTHON and i["exit"] is not None for i in instances(port))


def instances(port):
    listed = get(port, "/api/v1/graphs")[1]["graphs"]
    if not listed:
        return []
    return [i for node in get(port, f"/api/v1/graphs/{listed[0]['id']}")[1]["nodes"] for i in node["instances"]]


@pytest.fixture(scope="module")
def graph(port):
    """The graph of the service, which is the most severe and so listed first."""
    first = get(port, "/api/v1/graphs")[1]["graphs"][0]
    status, graph = get(port, f"/api/v1/graphs/{first['id']}")
    assert status == 200
    return graph


def by_pid(graph, pid):
    """The process node that has this process as an instance after its last exec."""
    nodes = [n for n in graph["nodes"] if n["kind"] == "process" and any(i["pid"] == pid for i in n["instances"])]
    assert nodes, f"no node of process {pid}"
    return max(nodes, key=lambda node: int(node["first"]))


def around(graph, node, kind):
    prefix = {"files": "f:", "net": "n:"}[kind]
    return next((n for n in graph["nodes"] if n["id"] == prefix + node["id"][2:]), None)


def test_health(port):
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/readyz")[0] == 200


def test_graph_shows_how_the_intruder_came_in(graph):
    node, shell = by_pid(graph, story.NODE), by_pid(graph, story.SHELL)
    curl, python = by_pid(graph, story.CURL), by_pid(graph, story.PYTHON)
    assert graph["root"] == node["id"]
    assert node["exe"].endswith("/node") and shell["exe"].endswith(("/dash", "/sh"))
    assert curl["exe"].endswith("/curl") and "python3" in python["exe"]
    edges = {(edge["from"], edge["to"]) for edge in graph["edges"] if edge["kind"] in ("EXEC", "CLONE")}
    for step in [(node, shell), (shell, curl), (shell, python)]:
        assert (step[0]["id"], step[1]["id"]) in edges, [n["label"] for n in step]
    execs = [edge for edge in graph["edges"] if edge["kind"] == "EXEC"]
    assert all(edge["from"] != edge["to"] and edge["count"] == 1 for edge in execs), "each was executed once"
    recon = [by_pid(graph, pid) for pid in (10399, 10401, 10402, 10403)]
    assert all((python["id"], n["id"]) in edges for n in recon)
    assert shell["user"] == "node" and shell["container"]["name"] == "shop-frontend"
    assert not any(i["pid"] in story.OPERATORS for n in graph["nodes"] for i in n["instances"])


def test_graph_shows_files_and_endpoints(graph):
    curl, python = by_pid(graph, story.CURL), by_pid(graph, story.PYTHON)
    fetched = {s["path"]: s for s in around(graph, curl, "files")["samples"]}
    assert fetched["/tmp/exfil.py"]["wbytes"] == 3126
    assert [s["endpoint"] for s in around(graph, curl, "net")["samples"]] == ["198.51.100.23:80"]
    files = {s["path"]: s for s in around(graph, python, "files")["samples"]}
    assert files["/etc/shadow"]["ret"] == -13 and files["/root/.ssh/id_rsa"]["ret"] == -13
    for path in ("/app/.env", "/home/node/.ssh/id_rsa", "/home/node/.aws/credentials", "/tmp/dump.tgz",
                 "/home/node/.ssh/authorized_keys", "/home/node/.config/cron/crontab"):
        assert path in files, path
    assert files["/tmp/dump.tgz"]["wbytes"] == 936825
    ends = {s["endpoint"]: s for s in around(graph, python, "net")["samples"]}
    # Times are shifted to now: a beacon that lives across the end of a second is exported once before it closes, and so
    # counts as two flows of one connection. Its bytes are counted once wherever the second ends.
    beacon = ends["198.51.100.77:8443"]
    assert 15 <= beacon["count"] <= 30 and (beacon["rbytes"], beacon["wbytes"]) == (90, 395), beacon
    assert ends["203.0.113.99:443"]["wbytes"] == 936965
    assert ends["10.88.0.3:5432"]["rbytes"] >= 1025353
    assert all(end["direction"] == "out" for end in ends.values())


def test_graph_is_version_1(graph):
    assert graph["version"] == 1 and graph["lost"] == [] and graph["node"] == "demo-node"
    assert all(isinstance(graph["window"][end], str) for end in ("from", "to"))
    ids = {node["id"] for node in graph["nodes"]}
    assert all(edge["from"] in ids and edge["to"] in ids for edge in graph["edges"])
    order = [(int(node["first"]), node["id"]) for node in graph["nodes"]]
    assert order == sorted(order)
    alerts = {alert["id"] for alert in graph["alerts"]}
    assert alerts and {a for node in graph["nodes"] for a in node["alerts"]} <= alerts
    assert all(alert["output_fields"]["sf.graphid"] == graph["id"] for alert in graph["alerts"])


def test_alerts_of_the_graph(port, graph):
    status, answer = get(port, f"/api/v1/alerts?graph={graph['id']}&limit=1000")
    assert status == 200 and answer["total"] == len(answer["alerts"]) == len(graph["alerts"])
    times = [alert["time"] for alert in answer["alerts"]]
    assert times == sorted(times, reverse=True), "newest first"
    found = [name for name, matches in story.STEPS.items() if any(map(matches, answer["alerts"]))]
    assert len(found) >= 18


def test_graphs_are_listed_and_found(port, graph):
    listing = get(port, "/api/v1/graphs")[1]
    assert listing["total"] == len(listing["graphs"]) > 1
    first = listing["graphs"][0]
    assert first["id"] == graph["id"] and first["root"]["pid"] == story.NODE and first["alerts"] > 0
    assert get(port, "/api/v1/graphs?limit=1")[1]["graphs"] == [first]
    assert get(port, "/api/v1/graphs?q=nosuchword")[1]["total"] == 0


def test_operators_session_is_a_graph_of_the_login_shell(port):
    graphs = get(port, "/api/v1/graphs")[1]["graphs"]
    session = next(graph for graph in graphs if graph["root"] and graph["root"]["pid"] == 10386)
    login = next(graph for graph in graphs if graph["root"] and graph["root"]["pid"] == 10298)
    assert session["parent"] == login["id"]


@pytest.mark.parametrize("path,status", [
    ("/api/v1/graphs/00000000000000000000000000000000", 404),
    ("/api/v1/graphs/not-an-id", 400),
    ("/api/v1/nothing", 404),
])
def test_what_is_not_there_is_a_problem(port, path, status):
    got, body = get(port, path)
    assert got == status
    assert isinstance(body, dict) and body["status"] == status and body["title"], body


def test_pages(port, graph):
    for path in ("/", f"/g/{graph['id']}"):
        status, page = get(port, path)
        assert status == 200 and page.lstrip().lower().startswith("<!doctype html"), path


def test_metrics_count_the_alerts(port):
    status, text = get(port, "/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines and all(line.startswith("sysflow_") for line in lines)
    counted = sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("sysflow_alerts_total"))
    assert counted >= get(port, "/api/v1/alerts?limit=1")[1]["total"] > 0
