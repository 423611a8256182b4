"""Tests of `hpo cache`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_pipeline.cache import Cache
from hpo.cli.cache import cache


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of 1 kB with one entry of 600 bytes that nobody uses."""
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HPO_CACHE_LIMIT", "1kB")
    kept = Cache()
    path = kept.entry("images", "abc", lambda folder: _write(folder / "pixels", 600))
    kept.release(path)
    return tmp_path / "cache"


def _write(file: Path, count: int) -> None:
    file.write_bytes(bytes(count))


def test_shows_folder_size_limit_and_entries(root: Path) -> None:
    """The folder, the limit and each entry with its size are printed."""
    result = CliRunner().invoke(cache)
    lines = result.output.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0] == f"Folder: {root}"
    assert lines[1].endswith("of at most 1.0 KB")
    assert lines[2].split()[:3] == ["kind", "entry", "size"]
    assert lines[-1].split()[:2] == ["images", "abc"]


def test_json_holds_the_same(root: Path) -> None:
    """With --json all of it is machine-readable, sizes in bytes."""
    shown = json.loads(CliRunner().invoke(cache, ["--json"]).output)
    (entry,) = shown["entries"]
    assert shown["folder"] == str(root)
    assert shown["limit_bytes"] == 1000
    assert (entry["kind"], entry["key"]) == ("images", "abc")
    assert shown["size_bytes"] == entry["size_bytes"] > 600


def test_clear_deletes_what_nobody_uses(root: Path) -> None:
    """After --clear the entry's files are gone."""
    result = CliRunner().invoke(cache, ["--clear"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "Cleared."
    assert not list(root.rglob("pixels"))


def test_clear_keeps_what_is_in_use(root: Path) -> None:
    """An entry that a process holds is listed instead of deleted."""
    holder = Cache()
    path = holder.entry("images", "abc", lambda folder: _write(folder / "pixels", 600))
    result = CliRunner().invoke(cache, ["--clear"])
    assert result.output.splitlines()[-1] == "Running processes still use these."
    assert (path / "pixels").exists()


@pytest.mark.usefixtures("root")
def test_a_misspelt_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is no size is named, with what to write instead."""
    monkeypatch.setenv("HPO_CACHE_LIMIT", "much")
    error = CliRunner().invoke(cache).exception
    assert "HPO_CACHE_LIMIT='much'" in str(error)
    assert "20GB" in str(error)
