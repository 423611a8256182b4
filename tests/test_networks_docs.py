"""What the pages on networks of one's own show, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import DOCUMENTS
from models.source import Source
from studies.network_files import declare
from tests.hpo.conftest import FinishedStudy
from tests.hpo.running import type_run

DOCS = DOCUMENTS[0].parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in a language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def files(page: str) -> dict[str, str]:
    """The files that a page says to write."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"<!-- file: (\S+) -->\n\n```\w+\n(.*?)```", text, flags=re.DOTALL)
    return dict(found)


def test_the_networks_of_the_page_are_declared() -> None:
    """The page's first two files, one after the other."""
    plain, whole, *_ = blocks("networks.md", "python")
    found = declare(Source("my_networks.py", plain + "\n\n" + whole))
    assert [each.name for each in found.networks] == ["plain", "whole"]
    assert found.networks[0].settings["depth"].start == 3


@pytest.mark.slow
def test_the_search_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and commands under "after", typed in an empty folder."""
    for name, text in files("from-keras-tuner.md").items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("HPO_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path / "cache"))
    text = (DOCS / "from-keras-tuner.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r"<!-- type -->\n\n```sh\n(.*?)```", text, flags=re.DOTALL)
    first, *others = (line.split()[1:] for line in typed.splitlines())
    run = type_run(tmp_path, *first[1:])
    assert run.process.returncode == 0, run.output
    assert run.count("dense 8 px") >= 3
    for words in others:
        result = FinishedStudy(tmp_path, tmp_path, "digits").type(*words)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "model.keras").is_file()


def test_the_files_of_the_guide_are_declared() -> None:
    """Quickly, without training: the settings that KerasTuner would ask for."""
    text = files("from-keras-tuner.md")["my_networks.py"]
    (dense,) = declare(Source("my_networks.py", text)).networks
    names = ("num_layers", "units_0", "units_1", "units_2", "activation", "dropout")
    assert tuple(dense.settings) == names
    assert dense.settings["units_0"].domain.model_dump()["step"] == 32
