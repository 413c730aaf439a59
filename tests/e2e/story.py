"""What the bundled captures hold: the ground truth of tests/data, as matchers of alerts."""

NODE = 10098
SHELL, CURL, PYTHON = 10394, 10395, 10397
INTRUDERS = {SHELL, CURL, PYTHON, 10399, 10401, 10402, 10403}
# Login shell, `podman ps`, and `podman exec -it shop-frontend sh` with all that it started.
OPERATORS = {10298, 10360, 10372, 10382, 10383, 10384, 10386, 10387, 10389, 10390, 10391, 10400, 10404}

PRIORITIES = ["Debug", "Informational", "Notice", "Warning", "Error", "Critical", "Alert", "Emergency"]


def field(alert, name):
    value = alert["output_fields"].get(name)
    return None if value is None else str(value)


def pid(alert):
    return int(field(alert, "sf.proc.pid") or -1)


def severe(alert):
    return PRIORITIES.index(alert["priority"]) >= PRIORITIES.index("Warning")


def has_op(alert, op):
    return op in (field(alert, "sf.opflags") or "").replace("|", ",").replace(" ", "").split(",")


def executed(process):
    return lambda alert: pid(alert) == process and has_op(alert, "EXEC")


def touched(*paths, op=None):
    def matches(alert):
        return pid(alert) == PYTHON and field(alert, "sf.file.path") in paths and (op is None or has_op(alert, op))
    return matches


def called(process, address, port, *techniques):
    """A connection of that process to that server; with techniques, told as one of them."""
    def matches(alert):
        end = (field(alert, "sf.net.dip"), field(alert, "sf.net.dport"))
        told = not techniques or any(technique in alert["tags"] for technique in techniques)
        return pid(alert) == process and end == (address, str(port)) and told
    return matches


def any_of(*matchers):
    return lambda alert: any(matcher(alert) for matcher in matchers)


def scanned(alert):
    other = field(alert, "sf.net.dip") == "10.88.0.3" and field(alert, "sf.net.dport") != "5432"
    return pid(alert) == PYTHON and other and "T1046" in alert["tags"]


def downloaded(alert):
    return field(alert, "sf.file.path") == "/tmp/exfil.py" and pid(alert) == CURL


# The 21 steps of the intrusion in shop-attack.scap.
STEPS = {
    "exploit shell": executed(SHELL),
    "download": any_of(executed(CURL), called(CURL, "198.51.100.23", 80), downloaded),
    "python": executed(PYTHON),
    "id": executed(10399),
    "uname": executed(10401),
    "ps": executed(10402),
    "cat /etc/passwd": executed(10403),
    "secret /app/.env": touched("/app/.env"),
    "secret /root/.ssh/id_rsa, refused": touched("/root/.ssh/id_rsa"),
    "secret /home/node/.ssh/id_rsa": touched("/home/node/.ssh/id_rsa"),
    "secret /home/node/.aws/credentials": touched("/home/node/.aws/credentials"),
    "secret token of the service account": touched("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "secret /etc/shadow, refused": touched("/etc/shadow"),
    "scan": scanned,
    "beacon": called(PYTHON, "198.51.100.77", 8443, "T1071", "T1571"),
    "database pull": called(PYTHON, "10.88.0.3", 5432),
    "archive": touched("/tmp/dump.tgz", op="WRITE"),
    "upload": called(PYTHON, "203.0.113.99", 443),
    "authorized_keys": touched("/home/node/.ssh/authorized_keys"),
    "crontab": touched("/home/node/.config/cron/crontab", "/home/node/.config/cron"),
    "deletion": touched("/tmp/dump.tgz", "/tmp/exfil.py", op="UNLINK"),
}

REQUIRED_FIELDS = [
    "sf.graphid", "sf.graph_url", "sf.type", "sf.opflags",
    "sf.proc.pid", "sf.proc.name", "sf.proc.exe", "sf.proc.cmdline", "sf.proc.user",
    "sf.pproc.pid", "sf.pproc.cmdline", "sf.container.id", "sf.container.name", "sf.container.image",
]
