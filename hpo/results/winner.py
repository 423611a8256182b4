"""How far the best trial can be believed: what it is worth elsewhere, and which are as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optuna.storages import RDBStorage

from hpo.results.comparison import Gain, gain
from hpo.results.trial_rows import TrialRow, read_attribute
from studies.hits import Hits
from studies.metrics import Metric
from studies.patience import LEAST_TRIALS, expected_gain, standard_error
from studies.record import HITS_KEY
from studies.winners import MOST_TRIALS, Worth, worth

MOST_NAMED = 5


@dataclass(frozen=True)
class Winner:
    """What is known of a study's best trial beside its figure.

    Attributes:
        number: The trial.
        worth: Its accuracy on images that it was not chosen on; None if there was no choice.
        leads: Number of another trial to the accuracy that the best is ahead by, with its 95 %
            interval, best first.
        more: What as many trials again may add in the mean; None of few trials.
        error: Standard error of the best accuracy.
    """

    number: int
    worth: Worth | None
    leads: Mapping[int, Gain]
    more: float | None
    error: float

    @property
    def as_good(self) -> list[int]:
        """Numbers of the trials that the best is not surely better than, best first."""
        return [number for number, (_, low, _) in self.leads.items() if low <= 0]

    @property
    def exhausted(self) -> bool:
        """Whether more trials cannot be expected to help: less than validation's own error."""
        return self.more is not None and self.more < self.error

    def sentences(self) -> str:
        """Returns it for people."""
        said = []
        if worth := self.worth:
            raw, corrected = f"{worth.raw:.4f}", f"{worth.corrected:.4f}"
            said.append(
                f"Trial {self.number} was chosen as the best of {worth.trials}, which flatters it. "
                f"On other images expect {corrected} (95 % interval {worth.low:.4f} to "
                f"{worth.high:.4f})" + ("." if raw == corrected else f", not {raw}.")
            )
        if tied := self.as_good:
            named = ", ".join(map(str, tied[:MOST_NAMED]))
            more = f" and {len(tied) - MOST_NAMED} more" if len(tied) > MOST_NAMED else ""
            trials = "trial" if len(tied) == 1 else "trials"
            said.append(
                f"It is not surely better than {trials} {named}{more}: the 95 % interval of the "
                "difference holds 0."
            )
        if self.exhausted:
            said.append(
                f"As many trials again can be expected to add {self.more:.4f}, less than the "
                f"{self.error:.4f} by which the figure itself may be off."
            )
        return " ".join(said)

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {
            "trial": self.number,
            "worth": self.worth and asdict(self.worth),
            "as_good": self.as_good,
            "expected_gain": self.more,
            "standard_error": self.error,
        }


def judge_winner(storage: RDBStorage, ranked: Sequence[TrialRow], metric: Metric) -> Winner | None:
    """Returns what is known of the best trial; None where its hits do not tell.

    Args:
        storage: Where the study is.
        ranked: The trials, best first.
        metric: The study's metric. Hits say nothing of any but the accuracy.
    """
    rows = ranked[:MOST_TRIALS]
    if metric.name != "accuracy" or not rows:
        return None
    stored = read_attribute(storage, rows, HITS_KEY)
    hits = {
        row.number: Hits.model_validate(stored[row.trial_id])
        for row in rows
        if row.trial_id in stored
    }
    best = rows[0].number
    if best not in hits:
        return None
    images = hits[best].images
    comparable = [each for each in hits.values() if each.images == images]
    leads = {
        number: lead
        for number, other in hits.items()
        if number != best and other.images == images and (lead := gain(hits[best], other))
    }
    values = [row.value for row in ranked if row.value is not None]
    error = standard_error(max(values), images)
    return Winner(
        number=best,
        worth=worth(comparable) if len(comparable) > 1 else None,
        leads=leads,
        more=expected_gain(values) if len(values) >= LEAST_TRIALS else None,
        error=error,
    )
