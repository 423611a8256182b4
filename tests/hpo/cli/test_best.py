"""Tests of `hpo best`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import optuna
import pytest

from studies.storage import default_url, open_storage
from tests.hpo.conftest import BASELINE, BEST, SECOND, FinishedStudy

# Keras saves its variables through an interface that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_shows_the_best_trial_beside_the_baseline(finished_study: FinishedStudy) -> None:
    """Rank, figures, what the baseline is behind by, both settings and the next commands."""
    result = finished_study.type("best")
    values = {row["trial"]: row["value"] for row in _trials(finished_study)}
    assert result.exit_code == 0
    first, second = result.output.split("\n\n")[:2]
    assert first == "Study colours by validation accuracy: 3 complete, 1 pruned, 1 failed."
    head, best, baseline = (re.split(r"  +", line) for line in second.splitlines())
    assert head[-4:] == ["cross-entropy", "best epoch", "seconds", "parameters"]
    assert best[:4] == ["1.", "2", f"{values[BEST]:.4f}", "-"]
    assert best[-3:] == ["2", "4.5", "93,635"]
    behind = values[BEST] - values[BASELINE]
    assert baseline[:4] == ["by hand", "0", f"{values[BASELINE]:.4f}", f"{behind:.4f}"]
    assert "setting                  trial 2  trial 0 (by hand)\n" in result.output
    assert "optimizer.learning_rate  0.003    0.001\n" in result.output
    assert "image_size_px" in result.output
    assert result.output.endswith(
        "\nNext:\n  hpo best --study colours --export model.keras\n"
        "  hpo best --study colours --test\n  hpo dashboard\n"
    )


def test_top_shows_as_many_in_their_order(finished_study: FinishedStudy) -> None:
    """Only complete trials are ranked, however many are asked for."""
    report = json.loads(finished_study.type("best", "--top", "9", "--json").output)
    assert [row["trial"] for row in report["best"]] == [BEST, SECOND, BASELINE]
    assert [row["trial"] for row in report["baselines"]] == [BASELINE]
    assert report["trials"] == {"complete": 3, "pruned": 1, "failed": 1}
    assert (report["metric"], report["direction"]) == ("accuracy", "maximize")
    assert report["best"][0]["behind_chosen"] == 0
    assert report["best"][1]["behind_chosen"] > 0
    assert report["best"][0]["settings"]["training"]["epochs"] == 3
    assert (report["exported"], report["test"], report["earlier_tests"]) == (None, None, [])


def test_less_is_better_where_the_study_says_so(own_study: FinishedStudy) -> None:
    """In a study of the loss the lowest value is the best, and more is behind."""
    study = _load(own_study)
    record = study.user_attrs["hpo"]
    study.set_user_attr("hpo", record | {"settings": record["settings"] | {"metric": "loss"}})
    report = json.loads(own_study.type("best", "--top", "3", "--json").output)
    assert [row["trial"] for row in report["best"]] == [BASELINE, SECOND, BEST]
    assert report["best"][2]["behind_chosen"] > 0


def test_a_study_without_complete_trials_says_so(own_study: FinishedStudy) -> None:
    """The message counts what there is and says how to go on."""
    storage = open_storage(default_url(own_study.folder / "hpo_runs"))
    record = _load(own_study).user_attrs["hpo"]
    study = optuna.create_study(study_name="young", storage=storage)
    study.set_user_attr("hpo", record)
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    study.ask()
    result = own_study.type("best")
    assert result.exit_code == 1
    assert result.output == (
        "Error: The study 'young' needs a complete trial for this. Received: 1 failed, "
        "1 interrupted. Type the `hpo run` command again to continue it; `hpo trials --failed` "
        "shows what failed.\n"
    )


def test_another_programs_study_is_refused(own_study: FinishedStudy) -> None:
    """A study without the record of `hpo run` is no traceback."""
    storage = open_storage(default_url(own_study.folder / "hpo_runs"))
    optuna.create_study(study_name="foreign", storage=storage)
    result = own_study.type("best", "--study", "foreign")
    assert result.exit_code == 1
    assert result.output == (
        "Error: The study 'foreign' was not created by `hpo run`. Received: a study without its "
        "settings. Choose another --study name.\n"
    )


def test_only_complete_trials_can_be_chosen(finished_study: FinishedStudy) -> None:
    """--trial with one that was pruned, or that does not exist, says which it is."""
    pruned = finished_study.type("best", "--trial", "3")
    missing = finished_study.type("best", "--trial", "99")
    assert (pruned.exit_code, missing.exit_code) == (1, 1)
    assert pruned.output == (
        "Error: --trial must be a complete trial, or one that was interrupted after an epoch. "
        "Received: 3 (pruned). Choose one from `hpo trials`.\n"
    )
    assert "Received: 99 (no such trial)" in missing.output


def test_an_export_never_replaces_a_file_unasked(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    """The file that is there stays as it is."""
    target = tmp_path / "model.keras"
    target.write_text("precious")
    result = finished_study.type("best", "--export", str(target))
    assert result.exit_code == 1
    assert result.output == (
        f"Error: --export must not replace a file. Received: {target}, which exists. "
        "Choose another name or add --overwrite.\n"
    )
    assert target.read_text() == "precious"


def test_each_look_at_the_test_images_is_recorded(own_study: FinishedStudy) -> None:
    """The first look shows figures with intervals; the second also says that it is the second."""
    first, second = own_study.type("best", "--test"), own_study.type("best", "--test")
    looks = _load(own_study).user_attrs["test_looks"]
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [look["trial"] for look in looks] == [BEST, BEST]
    assert looks[0]["figures"] == looks[1]["figures"]
    low, high = looks[0]["intervals"]["accuracy"]
    accuracy = looks[0]["figures"]["accuracy"]
    assert 0 <= low < accuracy <= high <= 1
    assert (looks[0]["images"], looks[0]["chosen_from"]) == (13, 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", looks[0]["when"])
    assert "Trial 2 on the 13 sealed test images:\n" in first.output
    assert f"\naccuracy           {accuracy:.4f}  {low:.4f} to {high:.4f}\n" in first.output
    assert "It is the best of 3 trials by validation accuracy" in first.output
    assert "used before" not in first.output
    assert "The test images were used before, 1 time:\n" in second.output
    assert looks[0]["when"] in second.output


def test_a_trial_that_is_not_the_best_is_not_called_so(own_study: FinishedStudy) -> None:
    """--trial with --test evaluates that trial and says what it is."""
    result = own_study.type("best", "--trial", str(BASELINE), "--test")
    assert "Trial 0 on the 13 sealed test images:\n" in result.output
    assert "It is one of 3 trials, but not the best by validation" in result.output
    assert [look["trial"] for look in _load(own_study).user_attrs["test_looks"]] == [BASELINE]


def test_a_study_without_test_images_says_how_to_get_some(own_study: FinishedStudy) -> None:
    """--test on an empty test split is a message, and no look is recorded."""
    study = _load(own_study)
    file = (
        own_study.folder / "hpo_runs" / "artifacts" / study.user_attrs["hpo"]["manifest_artifact"]
    )
    manifest = json.loads(file.read_text())
    manifest["items"] = [item for item in manifest["items"] if item["split"] != "test"]
    file.write_text(json.dumps(manifest))
    result = own_study.type("best", "--test")
    assert result.exit_code == 1
    assert result.output == (
        "Error: --test needs test images. Received: a study without any. "
        "Create one with `test_fraction` above 0, or with a folder that has a test part.\n"
    )
    assert "test_looks" not in _load(own_study).user_attrs


def test_a_missing_manifest_says_where_to_type_the_command(own_study: FinishedStudy) -> None:
    """A study whose artifacts are elsewhere can be listed, but not exported."""
    record = _load(own_study).user_attrs["hpo"]
    file = own_study.folder / "hpo_runs" / "artifacts" / record["manifest_artifact"]
    file.unlink()
    assert own_study.type("best").exit_code == 0
    result = own_study.type("best", "--export", "model.keras")
    assert result.exit_code == 1
    assert "Received: hpo_runs/artifacts/" in result.output
    assert "Type the command in the folder where `hpo run` was typed." in result.output


def _load(study: FinishedStudy) -> optuna.Study:
    storage = open_storage(default_url(study.folder / "hpo_runs"))
    return optuna.load_study(study_name=study.name, storage=storage)


def _trials(study: FinishedStudy) -> list[dict[str, float]]:
    listed: list[dict[str, float]] = json.loads(study.type("trials", "--json").output)
    return listed
