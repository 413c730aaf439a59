"""An independent look into .sf files, with an Avro library that knows nothing of SysFlow."""

import collections

import fastavro
from fastavro import read

# Version 1 calls its nanoseconds `timestamp-millis`; converted, they overflow.
for name in ("long-timestamp-millis", "long-timestamp-micros"):
    read.LOGICAL_READERS[name] = lambda value, *_: value

# A field that only this kind of record has, in the order in which they are looked for.
MARKS = [
    ("H", "exporter"), ("P", "exeArgs"), ("F", "restype"), ("C", "imageid"), ("PF", "numThreadsCloned"),
    ("FF", "openFlags"), ("NF", "endTs"), ("FE", "newFileOID"), ("PE", "args"), ("PD", "nodeName"),
    ("KE", "message"),
]


def records(path):
    with open(path, "rb") as file:
        for outer in fastavro.reader(file):
            record = outer["rec"]
            yield next(kind for kind, mark in MARKS if mark in record), record


def counts(path):
    return collections.Counter(kind for kind, _ in records(path))


def metadata(path):
    with open(path, "rb") as file:
        return fastavro.reader(file).metadata


def told(counted):
    """Events and flows: what `sysflow print` and sysprint show a line of."""
    return {kind: n for kind, n in counted.items() if kind in ("PE", "NF", "FF", "FE", "PF", "KE", "NE")}
