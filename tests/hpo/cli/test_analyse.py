"""Tests of `hpo analyse` and what it is made of."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr

from data_pipeline.outputs import made_here
from hpo.analysis import pictures
from hpo.analysis.questions import rank_correlation
from hpo.cli import main
from tests.hpo.hand_tuned import finish, new_study

SWITCHED = {"backbone": "cnn", "optimizer": "adam"}
"""A space in which a penalty is or is not."""


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
    assert "would make 12 of 12 trials worse: by 5.0 points" in output
    assert "of 12 complete trials reach the rule of thumb of 15 to 20 points" in output


@pytest.mark.usefixtures("folder")
def test_curves_are_one_line_an_epoch() -> None:
    """Every metric is a column."""
    rows = list(csv.DictReader(io.StringIO(typed("--csv").output)))
    assert len(rows) == 36
    assert rows[1]["epoch"] == "2"
    assert float(rows[1]["val_accuracy"]) == 0.9
    assert rows[1]["label"] == "mine"


def test_pictures_are_pages_that_need_no_network(folder: Path) -> None:
    """One for each question."""
    typed("--out", "drawn")
    for name in pictures.PICTURES:
        page = (folder / "drawn" / f"{name}.html").read_text(encoding="utf-8")
        assert 'src="plotly.min.js"' in page
        assert "https://cdn" not in page
    assert (folder / "drawn" / "plotly.min.js").stat().st_size > 1_000_000
    # So that they never count as images of a data set around them.
    assert {f"{name}.html" for name in pictures.PICTURES} <= made_here(folder / "drawn")


@pytest.mark.skipif(find_spec("kaleido") is None, reason="pip install '.[png]'")
@pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "google-chrome"))), reason="apt install chromium"
)
def test_pictures_are_pngs_where_there_is_an_exporter(folder: Path) -> None:
    """Of the size that they were drawn for, and not blank."""
    assert "No PNGs" not in typed("--out", "drawn").output
    for name in pictures.PICTURES:
        with Image.open(folder / "drawn" / f"{name}.png") as image:
            assert image.size == (1000, 600)
            assert len(image.convert("RGB").getcolors(1_000_000) or []) > 10


@pytest.mark.skipif(find_spec("kaleido") is None, reason="pip install '.[png]'")
def test_a_browser_that_does_not_start_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages are drawn all the same."""
    monkeypatch.setenv("BROWSER_PATH", "/bin/false")
    output = typed("--out", "drawn").output
    assert "No PNGs. They need Chrome or Chromium: install one" in output
    assert len(list((folder / "drawn").glob("*.html"))) == len(pictures.PICTURES)
    assert not list((folder / "drawn").glob("*.png"))


def test_without_an_exporter_its_package_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages are drawn all the same."""
    monkeypatch.setitem(sys.modules, "kaleido", None)  # as if it were not installed
    output = typed("--out", "drawn").output
    assert output.endswith(
        "No PNGs. They need the package kaleido: type `pip install '.[png]'` in the folder of "
        "hpo.\n"
    )
    assert len(list((folder / "drawn").glob("*.html"))) == len(pictures.PICTURES)


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


def test_a_loss_is_lost_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Under `metric = "loss"` the last epoch costs cross-entropy, and gaps are of accuracies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    opened = new_study(tmp_path, metric="loss", space=SWITCHED)
    for number in range(12):
        finish(opened, list(range(18 - number)), l2=0.0 if number % 3 else 1e-3, mixup_alpha=0.2)
    answers = json.loads(typed("--json").output)
    assert answers["metric"] == "loss"
    (first, *_) = answers["curves"]
    assert first["best"] == pytest.approx(0.2)
    assert first["last"] == pytest.approx(0.3)
    assert first["validation"] == pytest.approx(0.9)
    assert "l2" in answers["importance"]
    assert not [name for name in answers["importance"] if name.endswith("_on")]
    assert sum(answers["importance"].values()) == pytest.approx(1.0)
    output = typed().output
    assert (
        "would make 12 of 12 trials worse: by 0.1000 of validation cross-entropy in the median, "
        "and by 0.1000 at most" in output
    )
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("clean", [None, 0.99])
def test_the_gap_is_that_of_unchanged_images_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean: float | None
) -> None:
    """Otherwise the text says what the training accuracy is of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    finish(new_study(tmp_path), list(range(10)), clean=clean)
    (curve,) = json.loads(typed("--json").output)["curves"]
    assert curve["train"] == pytest.approx(clean or 0.68)
    assert ("augmented images" in typed().output) == (clean is None)
