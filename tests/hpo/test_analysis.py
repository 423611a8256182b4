"""Tests of `hpo analyse` and what it is made of."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hpo.analysis import pictures
from hpo.analysis.questions import rank_correlation
from hpo.cli import main
from tests.hpo.hand_tuned import finish, new_study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of twelve complete trials, in which dropout decides."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    opened = new_study(tmp_path)
    for number in range(12):
        rate = 0.05 * number
        finish(
            opened,
            list(range(18 - number)),
            label=None if number else "mine",
            dropout=rate,
            batch_size=64 if number % 2 else 32,
        )
    return tmp_path


def typed(*words: str) -> Result:
    """Types `hpo analyse`."""
    result = CliRunner().invoke(main, ["analyse", *words], prog_name="hpo")
    assert result.exit_code == 0, result.output
    return result


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    """Ties included; a constant side has none."""
    one, other = ([float(value) for value in side] for side in zip(*pairs, strict=True))
    found = rank_correlation(one, other)
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic)


@pytest.mark.usefixtures("folder")
def test_each_question_has_its_answer() -> None:
    """In figures that can be checked by hand."""
    answers = json.loads(typed("--json").output)
    assert max(answers["importance"], key=answers["importance"].get) == "dropout"
    assert sum(answers["importance"].values()) == pytest.approx(1.0)
    assert answers["batch_and_epoch"] is None  # the best epoch is always the second
    (first, *_) = answers["curves"]
    assert (first["label"], first["best_epoch"], first["epochs"]) == ("mine", 2, 3)
    assert first["best"] - first["last"] == pytest.approx(0.05)
    output = typed().output
    assert "would cost 12 of 12 trials something: 5.0 points" in output
    assert "of 12 complete trials reach the rule of 15 to 20 points" in output


@pytest.mark.usefixtures("folder")
def test_curves_are_one_line_an_epoch() -> None:
    """Every metric is a column."""
    rows = list(csv.DictReader(io.StringIO(typed("--csv").output)))
    assert len(rows) == 36
    assert rows[1]["epoch"] == "2"
    assert float(rows[1]["val_accuracy"]) == 0.9
    assert rows[1]["label"] == "mine"


def test_pictures_are_pages_that_need_no_network(folder: Path) -> None:
    """One for each question; without an exporter the missing PNGs are explained."""
    result = typed("--out", "drawn")
    for name in pictures.PICTURES:
        page = (folder / "drawn" / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="plotly.min.js"' in page
        assert "https://cdn" not in page
    assert (folder / "drawn" / "plotly.min.js").stat().st_size > 1_000_000
    drawn = list((folder / "drawn").glob("*.png"))
    assert len(drawn) == len(pictures.PICTURES) or "No PNGs" in result.output


def test_a_folder_that_is_a_file_is_refused(folder: Path) -> None:
    """Nothing is overwritten."""
    (folder / "drawn").write_text("mine")
    result = CliRunner().invoke(main, ["analyse", "--out", "drawn"])
    assert result.exit_code != 0
    assert (folder / "drawn").read_text() == "mine"


def test_few_trials_say_nothing_about_importance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than equal shares of everything."""
    monkeypatch.chdir(tmp_path)
    finish(new_study(tmp_path), [1, 2, 3])
    assert "Fewer than 10 complete trials" in typed().output
