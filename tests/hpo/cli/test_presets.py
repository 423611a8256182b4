"""Tests of `hpo presets`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from hpo.cli import main
from studies.toml_files import list_presets


def test_lists_what_each_reproduces() -> None:
    """Name and first comment line, one preset a line."""
    output = CliRunner().invoke(main, ["presets"]).output
    for name, what in list_presets().items():
        assert any(line.startswith(name) and line.endswith(what) for line in output.splitlines())


def test_json_holds_the_baselines() -> None:
    """With the figures their authors publish."""
    rows = {
        row["preset"]: row
        for row in json.loads(CliRunner().invoke(main, ["presets", "--json"]).output)
    }
    baselines = {row["label"]: row["published"] for row in rows["cats-dogs-small"]["baselines"]}
    assert baselines["plain, 30 epochs"] == {"test": 0.69}
    assert Path(rows["weather"]["file"]).is_file()
