"""What `hpo best` found out, as a value that can be printed or dumped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.results.ranking import Ranking
from hpo.results.trial_rows import TrialRow
from studies.record import CONFIG_KEY

if TYPE_CHECKING:
    from hpo.results.export import Exported
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
    """

    study: str
    ranking: Ranking
    chosen: TrialRow
    shown: Sequence[TrialRow]
    earlier: Sequence[Look]
    exported: Exported | None
    taken: Look | None

    def behind(self, row: TrialRow) -> float:
        """Returns how much worse a trial is than the chosen one; negative where it is better."""
        assert self.chosen.value is not None
        assert row.value is not None
        difference = self.chosen.value - row.value
        return difference if self.ranking.metric.maximize else -difference

    def next_commands(self) -> list[str]:
        """Returns what to type next."""
        study = f"--study {shlex.quote(self.study)}"
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
            "exported": self.exported and self.exported.as_json(),
            "test": self.taken and self.taken.model_dump(exclude={"hits"}),
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
