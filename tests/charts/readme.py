"""Writes the tables of the charts' READMEs from the comments in values.yaml, and the examples of values for Falco's chart.

    build/venv/bin/python tests/charts/readme.py

A comment `# -- text` stands above its key, as helm-docs has it, and may go on over further comment lines.
"""

import json
import re

import yaml

from charts import MODES, STACK_CHART, SYSFLOW_CHART, Charts, full_name

CHARTS = [SYSFLOW_CHART, STACK_CHART]
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"


def rows(path):
    """(key, default, text) of each value that has a comment; a key below such a key needs none."""
    node = yaml.compose(path.read_text())
    lines = path.read_text().splitlines()
    yield from _walk(node, lines, "")


def _walk(node, lines, prefix):
    for key, value in node.value:
        name, text = prefix + key.value, _comment(lines, key.start_mark.line)
        if text is None and isinstance(value, yaml.MappingNode) and value.value:
            yield from _walk(value, lines, name + ".")
        else:
            yield name, json.dumps(yaml.safe_load(yaml.serialize(value))), text


def _comment(lines, at):
    found = []
    while at > 0 and lines[at - 1].lstrip().startswith("#"):
        at -= 1
        found.insert(0, lines[at].strip().lstrip("#").strip())
    return " ".join(found).removeprefix("-- ") if found and found[0].startswith("-- ") else None


def table(path):
    def cell(text):
        return text.replace("|", "\\|")

    head = ["| key | default | meaning |", "|---|---|---|"]
    return "\n".join(head + [f"| `{key}` | `{cell(default)}` | {cell(text or '')} |" for key, default, text in rows(path)])


def written(chart):
    """The README with its table as it should be."""
    text = (chart / "README.md").read_text()
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{table(chart / 'values.yaml')}\n\n{END}", text, flags=re.S)


def main():
    for chart in CHARTS:
        (chart / "README.md").write_text(written(chart))
    charts = Charts()
    for mode in MODES:
        rendered = charts.sysflow(mode)
        text = rendered.data(f"{full_name(rendered)}-falco-values", "values.yaml")
        head = f"# What the chart sysflow, in mode {mode} with its other defaults, tells Falco's chart (written by `make charts-docs`).\n"
        (SYSFLOW_CHART / "examples" / f"falco-values-{mode}.yaml").write_text(head + text)


if __name__ == "__main__":
    main()
