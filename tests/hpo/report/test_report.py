"""Tests of a report of a study: the command, its page, its Markdown and its JSON."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

from hpo.cli import main
from hpo.report.chapters.again import settings_file
from studies.optuna_private import artifacts_of
from studies.settings import StudySettings
from studies.storage import default_url
from studies.toml_files import load_settings, make_settings
from tests.hpo.conftest import BEST, FinishedStudy
from tests.hpo.hand_tuned import finish, new_study
from tests.hpo.report.pages import Page, is_sound


@pytest.fixture(scope="module")
def written(finished_study: FinishedStudy) -> Path:
    """The page of the finished study."""
    result = finished_study.type("report", "--out", "page.html")
    assert result.exit_code == 0, result.output
    assert "Written: page.html" in result.output
    return finished_study.folder / "page.html"


def test_the_page_needs_nothing_else(written: Path) -> None:
    """It is read without a network and without scripts."""
    text = written.read_text(encoding="utf-8")
    page = Page(text)
    is_sound(page)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert written.stat().st_size < 2_000_000


def test_the_page_says_what_the_listings_say(written: Path, finished_study: FinishedStudy) -> None:
    """Its figures are those of `hpo best` and `hpo compare`."""
    text = Page(written.read_text(encoding="utf-8")).text
    best = json.loads(finished_study.type("best", "--json").output)["best"][0]
    assert f"classifies {best['value']:.1%}".replace("%", "\N{NO-BREAK SPACE}%") in text
    assert "the most frequent of the 3 classes" in text
    assert "Nobody has looked at the sealed test images yet" in text
    assert f"Settings of trial {BEST}" in text


def test_a_report_replaces_a_report_but_nothing_else(
    written: Path, finished_study: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless that is asked for; what was there is as it was."""
    result = finished_study.type("report", "--out", "page.html", "--language", "ko")
    assert result.exit_code == 0, result.output
    text = written.read_text(encoding="utf-8")
    assert '<html lang="ko">' in text
    is_sound(Page(text))
    notes = finished_study.folder / "notes.html"
    notes.write_text("mine")
    result = finished_study.type("report", "--out", "notes.html")
    assert result.exit_code != 0
    assert "must not replace a file that is no report" in result.output
    assert notes.read_text() == "mine"
    result = finished_study.type("report", "--out", "nowhere/page.html")
    assert "The folder of a report must exist" in result.output


def test_markdown_has_its_pictures_beside_it(finished_study: FinishedStudy) -> None:
    """Every picture that it mentions is there, and none else."""
    result = finished_study.type("report", "--format", "markdown", "--out", "thesis")
    assert result.exit_code == 0, result.output
    folder = finished_study.folder / "thesis"
    text = (folder / "report.md").read_text(encoding="utf-8")
    mentioned = set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text))
    assert mentioned
    assert mentioned | {"report.md", ".hpo-files"} == {file.name for file in folder.iterdir()}
    assert "## The verdict" in text


def test_json_has_every_figure(finished_study: FinishedStudy) -> None:
    """Numbers are numbers, and the words are those of the page."""
    result = finished_study.type("report", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    chapters = {chapter["chapter"]: chapter["blocks"] for chapter in report["chapters"]}
    assert list(chapters) == ["verdict", "field", "errors", "suspects", "trust", "more", "again"]
    (matrix,) = (block for block in chapters["errors"] if block["kind"] == "matrix")
    best = json.loads(finished_study.type("best", "--json").output)["best"][0]
    right = sum(matrix["counts"][i][i] for i in range(3))
    images = sum(map(sum, matrix["counts"]))
    assert right / images == pytest.approx(best["value"])


def test_the_test_images_are_looked_at_once(own_study: FinishedStudy) -> None:
    """Only where that is asked for; the next report remembers it."""
    assert own_study.type("report").exit_code == 0
    for words in (["--test"], ["--test"], []):
        result = own_study.type("report", "--json", *words)
        assert result.exit_code == 0, result.output
        said = [block.get("says") for block in json.loads(result.stdout)["chapters"][0]["blocks"]]
        assert "verdict.test" in said
        assert "verdict.looks" in said
    looks = json.loads(own_study.type("best", "--json").output)["earlier_tests"]
    assert sorted(look["trial"] for look in looks) == [0, BEST]  # the baseline beside the best


def test_the_dashboard_offers_the_page_until_the_study_is_deleted(own_study: FinishedStudy) -> None:
    """The latest one, under a name that people know."""
    for _ in range(2):
        assert own_study.type("report", "--out", "page.html").exit_code == 0
    artifacts = own_study.folder / "hpo_runs" / "artifacts"
    (offered,) = artifacts.glob("*-report")
    assert offered.read_bytes() == (own_study.folder / "page.html").read_bytes()
    study = optuna.load_study(
        study_name="colours", storage=default_url(own_study.folder / "hpo_runs")
    )
    assert "report.html" in artifacts_of(study).values()
    assert own_study.type("delete", "colours", "--yes").exit_code == 0
    assert not offered.exists()


def test_a_full_disk_leaves_what_was_there(
    own_study: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says so; neither half a page nor a stray file is left."""
    page = own_study.folder / "page.html"
    page.write_text('<meta name="generator" content="hpo report">')

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = own_study.type("report", "--out", "page.html")
    assert result.exit_code != 0
    assert "A report must fit on its disk" in result.output
    assert len(page.read_text()) < 100
    assert not list(own_study.folder.glob(".page*"))


def test_a_study_whose_weights_are_gone_has_a_page(own_study: FinishedStudy) -> None:
    """It says what is missing, and why."""
    for file in (own_study.folder / "hpo_runs" / "artifacts").glob("*-0000*"):
        file.unlink()
    result = own_study.type("report", "--out", "page.html")
    assert result.exit_code == 0, result.output
    page = Page((own_study.folder / "page.html").read_text(encoding="utf-8"))
    is_sound(page)
    assert "the chapters on its errors are missing" in page.text
    assert "The weights of trial 2 are needed" in page.text


def test_images_that_are_gone_are_not_shown(own_study: FinishedStudy) -> None:
    """What was decoded before is still judged."""
    away = own_study.images.with_name("away")
    own_study.images.rename(away)
    try:
        result = own_study.type("report", "--out", "page.html")
    finally:
        away.rename(own_study.images)
    assert result.exit_code == 0, result.output
    text = (own_study.folder / "page.html").read_text(encoding="utf-8")
    is_sound(Page(text))
    assert "<img" not in text
    assert "Class by class" in text


def test_a_study_without_a_trial_has_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that there is nothing yet, and how to search again."""
    new_study(tmp_path, baseline=[])
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", "--out", "page.html"])
    assert result.exit_code == 0, result.output
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    is_sound(page)
    assert "there is nothing to report" in page.text
    assert "hpo run --config again.toml --study hand" in page.text


def test_the_settings_file_makes_the_same_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Baselines and published figures included."""
    opened = new_study(tmp_path)
    file = tmp_path / "again.toml"
    file.write_text(settings_file(opened.record.read_settings()), encoding="utf-8")
    assert make_settings(load_settings(file)) == StudySettings.model_validate(
        opened.record.settings
    )


def test_what_mattered_is_what_analyse_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same figures, on the page, and in each language."""
    opened = new_study(tmp_path)
    for number in range(12):
        finish(
            opened,
            list(range(18 - number)),
            label=None if number else "by hand",
            dropout=0.05 * number,
            batch_size=64 if number % 2 else 32,
        )
    monkeypatch.chdir(tmp_path)
    answers = json.loads(CliRunner().invoke(main, ["analyse", "--json"]).output)
    result = CliRunner().invoke(main, ["report", "--json", "--language", "ko"])
    assert result.exit_code == 0, result.stderr
    chapters = {row["chapter"]: row["blocks"] for row in json.loads(result.stdout)["chapters"]}
    figures = [block for block in chapters["mattered"] if block["kind"] == "figure"]
    assert dict(figures[0]["rows"]) == pytest.approx(answers["importance"])
    gaps = {row["trial"]: 100 * (row["train"] - row["validation"]) for row in answers["curves"]}
    assert sorted(row[1] for row in figures[-1]["rows"]) == pytest.approx(sorted(gaps.values()))
    # The baseline gets most right here, so no trial is ahead of it.
    assert "verdict.is_baseline" in [block.get("says") for block in chapters["verdict"]]
    assert "“by hand”" in chapters["verdict"][1]["text"]
