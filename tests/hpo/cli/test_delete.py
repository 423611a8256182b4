"""Tests of `hpo delete` and `hpo rename`."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from hpo.cli import main
from hpo.paths import Paths, paths
from hpo.search.open_study import OpenStudy, find_study, names, open_existing
from studies.leases import Leases
from studies.storage import default_url
from tests.hpo.conftest import FinishedStudy
from tests.hpo.hand_tuned import new_study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the study `hand`, in which commands are typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    new_study(tmp_path)
    return tmp_path


def typed(*words: str, answer: str | None = None) -> Result:
    """Types a command, and an answer to what it asks."""
    return CliRunner().invoke(main, list(words), input=answer, prog_name="hpo")


def opened(name: str = "hand") -> OpenStudy:
    """The study as other commands find it."""
    return find_study(paths(None), name)


class TestDelete:
    """`hpo delete`."""

    def test_all_that_belongs_to_it(self, own_study: FinishedStudy) -> None:
        """Study, weights, list of images, checkpoints and leases; no other study's."""
        runs = own_study.folder / "hpo_runs"
        hand = new_study(own_study.folder).files
        colours = find_study(Paths(default_url(runs), runs), "colours").files
        for files in (hand, colours):
            files.checkpoints(0).mkdir(parents=True)
        assert len(list((runs / "artifacts").iterdir())) >= 4
        result = own_study.type("delete", "colours", "--yes")
        assert (result.exit_code, result.output) == (0, "The study 'colours' was deleted.\n")
        listed = own_study.type("studies")
        assert "colours" not in listed.output
        assert "hand" in listed.output
        assert list((runs / "artifacts").iterdir()) == [hand.manifest]
        assert list((runs / "work").iterdir()) == [hand.folder]

    def test_asks(self, folder: Path) -> None:
        """Without `--yes` nothing happens unless somebody says so."""
        refused = typed("delete", "hand", answer="n\n")
        assert refused.exit_code == 1
        assert refused.output.startswith("Delete the study 'hand' with 1 trial for good? [y/N]")
        assert names(open_existing(paths(None))) == ["hand"]
        assert typed("delete", "hand", answer="y\n").exit_code == 0
        assert names(open_existing(paths(None))) == []

    def test_while_it_is_searched(self, folder: Path) -> None:
        """It is refused, and says which trial is in training; a lease left behind is no reason."""
        study = opened()
        trial = study.study.ask()
        leases = Leases(study.storage.engine)
        assert leases.take(trial._trial_id)
        result = typed("delete", "hand", "--yes")
        assert result.exit_code == 1
        assert result.output == (
            "Error: A study cannot be deleted while it is searched. Received: 'hand', whose trial "
            "0 is in training. Stop that with Ctrl-C first.\n"
        )
        leases.release(trial._trial_id)
        owner = leases.owner.split("|")
        dead = Leases(study.storage.engine, "|".join([owner[0], "999999999", *owner[2:]]))
        assert dead.take(trial._trial_id)
        assert typed("delete", "hand", "--yes").exit_code == 0
        assert leases.holders() == {}

    def test_one_that_is_not_there(self, folder: Path) -> None:
        """The nearest name is offered."""
        result = typed("delete", "hnad", "--yes")
        assert result.exit_code == 1
        assert "Did you mean hand?" in result.output


class TestRename:
    """`hpo rename`."""

    def test_keeps_everything(self, own_study: FinishedStudy) -> None:
        """Trials, weights and the list of images are there under the new name."""
        result = own_study.type("rename", "colours", "shades of a colour")
        assert result.output == "The study 'colours' is now 'shades of a colour'.\n"
        best = own_study.type("best", "--study", "shades of a colour", "--export", "m.keras")
        assert best.exit_code == 0, best.output
        assert own_study.type("trials", "--study", "colours").exit_code == 1

    def test_goes_on_where_it_was(self, folder: Path) -> None:
        """The folder of checkpoints is found, whatever its name says."""
        before = opened().files.checkpoints(0)
        before.mkdir(parents=True)
        assert typed("rename", "hand", "other").exit_code == 0
        assert opened("other").files.checkpoints(0) == before

    @pytest.mark.parametrize(
        ("name", "message"),
        [("taken", "which is taken. Choose another."), ("../x", "A study's name must begin with")],
    )
    def test_names_that_cannot_be(self, folder: Path, name: str, message: str) -> None:
        """Nothing changes."""
        optuna.create_study(study_name="taken", storage=open_existing(paths(None)))
        result = typed("rename", "hand", name)
        assert result.exit_code == 1
        assert message in result.output
        assert sorted(names(open_existing(paths(None)))) == ["hand", "taken"]
