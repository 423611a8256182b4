"""What `hpo best` found out, as a value that can be printed or dumped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.results.comparison import Gain, gain
from hpo.results.ensemble_texts import as_json
from hpo.results.frontier import Frontier
from hpo.results.ranking import Ranking
from hpo.results.trial_rows import TrialRow
from hpo.results.winner import Winner
from studies.record import CONFIG_KEY

if TYPE_CHECKING:
    from hpo.results.ensemble import Ensemble
    from hpo.results.export import Exported
    from hpo.results.refit import Refitted
    from hpo.results.repeats import Repeats
    from hpo.results.sealed_test import Look


@dataclass(frozen=True)
class Findings:
    """The best trials of a study and what was done with one of them.

    Attributes:
        study: Name of the study.
        ranking: Its trials.
        chosen: The trial that was exported or tested.
        shown: The trials to show.
        earlier: Evaluations on the test images made before.
        exported: The file that was written now, or None.
        taken: The evaluation on the test images made now, or None.
        winner: How far the best trial can be believed; None where that is not known.
        frontier: What `--objective` chose from; None without.
        refitted: The trial trained anew that was exported or tested; None without.
        repeats: The closest trials on fresh splits; None without.
        ensemble: The ensemble that was exported or tested instead, with its cost; None for a trial.
    """

    study: str
    ranking: Ranking
    chosen: TrialRow
    shown: Sequence[TrialRow]
    earlier: Sequence[Look]
    exported: Exported | None
    taken: Look | None
    winner: Winner | None = None
    frontier: Frontier | None = None
    refitted: Refitted | None = None
    repeats: Repeats | None = None
    ensemble: tuple[Ensemble, Mapping[str, float]] | None = None

    def behind(self, row: TrialRow) -> float:
        """Returns how much worse a trial is than the chosen one; negative where it is better."""
        assert self.chosen.value is not None
        assert row.value is not None
        difference = self.chosen.value - row.value
        return difference if self.ranking.metric.maximize else -difference

    def interval(self, row: TrialRow) -> str | None:
        """Returns the 95 % interval of how far a trial is behind the best, where that is chosen."""
        if self.chosen is not self.ranking.best[0] or not self.winner:
            return None
        lead = self.winner.leads.get(row.number)
        return f"{lead[1]:+.4f} to {lead[2]:+.4f}" if lead else None

    @property
    def test_gain(self) -> Gain | None:
        """What was tested now is ahead of the best trial by, on the same test images.

        None where that is the best trial, or it was not tested before.
        """
        best = self.ranking.best[0].number
        before = [look for look in self.earlier if look.trial == best]
        if not self.taken or self.taken.trial == best or not before:
            return None
        return gain(self.taken.hits, before[-1].hits)

    def next_commands(self) -> list[str]:
        """Returns what to type next."""
        study = f"--study {shlex.quote(self.study)}" + " --ensemble" * bool(self.ensemble)
        study += " --refit" * bool(self.refitted)
        test = [] if self.taken else [f"hpo best {study} --test"]
        if self.exported and self.exported.kept:
            path = shlex.quote(str(self.exported.kept[0].path))
            return [f"hpo predict {path} IMAGE_OR_FOLDER", *test]
        return [f"hpo best {study} --export model.keras", *test, "hpo dashboard"]

    def as_json(self) -> dict[str, Any]:
        """Returns everything as JSON."""
        return {
            "study": self.study,
            "metric": self.ranking.metric.name,
            "direction": self.ranking.metric.direction,
            "trials": dict(self.ranking.endings),
            "best": [self._trial(row) for row in self.shown],
            "baselines": [self._trial(row) for row in self.ranking.baselines],
            "winner": self.winner and self.winner.as_json(),
            "frontier": self.frontier and self.frontier.as_json(),
            "refitted": self.refitted
            and {
                "trial": self.refitted.trial,
                "epochs": self.refitted.epochs,
                "images": self.refitted.images,
            },
            "repeats": self.repeats and self.repeats.as_json(),
            "ensemble": as_json(*self.ensemble) if self.ensemble else None,
            "exported": self.exported and self.exported.as_json(),
            "test": self.taken and self.taken.model_dump(exclude={"hits"}),
            "test_gain": self.test_gain,
            "earlier_tests": [look.model_dump(exclude={"hits"}) for look in self.earlier],
            "next": self.next_commands(),
        }

    def _trial(self, row: TrialRow) -> dict[str, Any]:
        figures = {key: value for key, value in row.attributes.items() if key != CONFIG_KEY}
        return {
            "trial": row.number,
            "value": row.value,
            "ending": row.ending,
            "behind_chosen": self.behind(row),
            **figures,
            "settings": row.attributes[CONFIG_KEY],
        }
