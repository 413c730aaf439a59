"""Bad input gives one clear message and exit status 1 or 2, never a panic, never half a file under its final name."""

import gzip
import socket

import pytest

from conftest import DATA, run

CAPTURE = DATA / "shop-normal.scap"


def fails(*arguments, says, status=(1, 2), cwd=None):
    """Runs the program, which has to fail and say so once."""
    done = run(*arguments, check=False, cwd=cwd)
    assert done.returncode in status, f"exit status {done.returncode}\n{done.stderr}"
    assert "panicked" not in done.stderr and "RUST_BACKTRACE" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("sysflow: ")]
    assert len(lines) <= 1, done.stderr
    for word in [says] if isinstance(says, str) else says:
        assert word in done.stderr, f"{word!r} is not said:\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def trace(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "normal.sf"
    run("replay", CAPTURE, "-o", path)
    return path


def broken_captures():
    raw = gzip.decompress(CAPTURE.read_bytes())
    damaged = bytearray(raw)
    # The length of the second block: the reader has to find out that the file does not hold as much.
    second = int.from_bytes(raw[4:8], "little")
    damaged[second + 4 : second + 8] = b"\xff\xff\xff\x7f"
    return {
        "empty": b"",
        "text": b"this is no capture\n" * 100,
        "cut in the first block": raw[:10],
        "cut within a block": raw[: len(raw) // 2 + 7],
        "cut gzip": CAPTURE.read_bytes()[: CAPTURE.stat().st_size // 2],
        "gzip with a wrong byte": flipped(CAPTURE.read_bytes()),
        "a length beyond the end": bytes(damaged),
        "another pcapng magic": b"\x00" * 8 + raw[8:],
    }


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


@pytest.mark.parametrize("kind,content", broken_captures().items(), ids=broken_captures().keys())
def test_broken_capture(kind, content, tmp_path):
    bad, out = tmp_path / "bad.scap", tmp_path / "out.sf"
    bad.write_bytes(content)
    fails("replay", bad, "-o", out, says="bad.scap", status=(1,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.scap"], "no half file is left"
    fails("demo", "--once", "-o", "json", "--capture", bad, says="bad.scap", status=(1,))


def test_capture_that_is_not_there(tmp_path):
    fails("replay", tmp_path / "nothing.scap", says="nothing.scap")
    fails("demo", "--once", "--capture", tmp_path / "nothing.scap", says="nothing.scap")


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_broken_trace(damage, trace, tmp_path):
    content = trace.read_bytes()
    bad = tmp_path / "bad.sf"
    bad.write_bytes({
        "empty": b"", "text": b"no trace\n" * 50, "cut": content[: len(content) * 2 // 3], "flipped": flipped(content),
    }[damage])
    fails("print", bad, says="bad.sf", status=(1,))
    fails("graph", bad, says="bad.sf", status=(1,))


def test_an_existing_file_stays_when_the_replay_fails(tmp_path):
    bad, out = tmp_path / "bad.scap", tmp_path / "out.sf"
    bad.write_bytes(broken_captures()["cut within a block"])
    out.write_bytes(b"what was there")
    fails("replay", bad, "-o", out, says="bad.scap")
    assert out.read_bytes() == b"what was there"
    assert {path.name for path in tmp_path.iterdir()} == {"bad.scap", "out.sf"}


def test_output_that_cannot_be_made(tmp_path):
    fails("replay", CAPTURE, "-o", tmp_path / "no" / "such" / "out.sf", says="out.sf")


def test_unknown_field_of_a_rule(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- rule: Shell\n  desc: a shell\n  condition: sf.proc.exee = /bin/sh\n"
        "  output: shell (exe=%sf.proc.exe)\n  priority: WARNING\n"
    )
    done = fails("demo", "--once", "-o", "json", "--rules", rules, says=["rules.yaml", "sf.proc.exee", "^"])
    assert "sf.proc.exe" in done.stderr.replace("sf.proc.exee", ""), "what was probably meant"
    fails("rules", "check", rules, says=["rules.yaml:3", "sf.proc.exee", "^"], status=(1,))


@pytest.mark.parametrize("condition", ["", "sf.type =", "sf.type = PE and", "(sf.type = PE", "sf.nothing = 1", 'sf.type = "PE'])
def test_condition_that_is_none(condition, trace):
    fails("print", trace, "-f", condition, says="condition")


@pytest.mark.parametrize("text,says", [
    ("api:\n  lisen: 127.0.0.1:0\n", "lisen"),
    ("api:\n  listen: nowhere\n", "listen"),
    ("alerts: [1, 2]\n", "alerts"),
    ("inputs:\n  - socket: [unfinished\n", "sysflow.yaml"),
], ids=["unknown key", "no address", "wrong type", "no yaml"])
def test_mistake_in_the_configuration(text, says, tmp_path):
    config = tmp_path / "sysflow.yaml"
    config.write_text(text)
    fails("run", "--config", config, says=["sysflow.yaml", says])


def test_configuration_that_is_not_there(tmp_path):
    fails("run", "--config", tmp_path / "missing.yaml", says="missing.yaml")


@pytest.mark.parametrize("config,says", [("{", "config"), ('{"schemma":"v5"}', "schemma"), ('{"schema":"v6"}', "v6")])
def test_mistake_in_the_plugins_configuration(config, says, tmp_path):
    fails("replay", CAPTURE, "-o", tmp_path / "out.sf", "--config", config, says=says)
    assert list(tmp_path.iterdir()) == []


def test_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails("demo", "--listen", f"127.0.0.1:{port}", says=str(port), status=(1,))


def test_address_of_other_machines_needs_consent():
    fails("demo", "--listen", "0.0.0.0:0", says="insecure")


def test_socket_that_cannot_be_made(tmp_path):
    config = tmp_path / "sysflow.yaml"
    (tmp_path / "file").write_text("")
    config.write_text(f"inputs:\n  - socket: {tmp_path}/file/sysflow.sock\napi:\n  listen: 127.0.0.1:0\n")
    fails("run", "--config", config, says="sysflow.sock", status=(1,))
    config.write_text(f"inputs:\n  - socket: {tmp_path}/{'long' * 40}.sock\napi:\n  listen: 127.0.0.1:0\n")
    fails("run", "--config", config, says="long.sock", status=(1,))


def test_socket_that_nobody_listens_on(tmp_path):
    fails("replay", CAPTURE, "--socket", tmp_path / "nobody.sock", says="nobody.sock", status=(1,))


def test_plugin_that_is_none(tmp_path):
    text = tmp_path / "libtext.so"
    text.write_text("not a library")
    fails("replay", CAPTURE, "--plugin", text, says="libtext.so", status=(1,))
    fails("replay", CAPTURE, "--plugin", tmp_path / "missing.so", says="missing.so", status=(1,))
    library = "/lib/x86_64-linux-gnu/libm.so.6"
    fails("replay", CAPTURE, "--plugin", library, says="libm.so.6", status=(1,))


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("replay",), ("print",), ("demo", "--speed", "slow")])
def test_wrong_use_is_status_2(arguments):
    done = run(*arguments, check=False)
    assert done.returncode == 2 and ("Usage" in done.stderr or "possible values" in done.stderr), done.stderr
