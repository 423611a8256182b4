"""The solved heads of a trial: logistic regressions on the frozen backbone's activations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_pipeline.config import AugmentConfig
from hpo.training import metrics
from hpo.training.inputs import TrialData
from hpo.training.phases import phase_of
from hpo.training.policies import PolicyState, advance, is_over
from hpo.training.programs import Programs
from models.solved_head import LinearHead, solve_path
from studies.metrics import METRICS
from studies.trial_config import TrialConfig


class SolvedHeads:
    """The heads that a trial's frozen backbone allows, for one strength of the penalty each.

    They depend on the settings and the training images alone: heads that were solved before a kill
    are solved again to the same weights.
    """

    def __init__(
        self, config: TrialConfig, data: TrialData, programs: Programs, precision: str
    ) -> None:
        """Takes the trial, whose backbone is run over images that have not been run before."""
        frozen = config.model.model_copy(update={"trainable_stages": 0})
        self._config = config.model_copy(update={"model": frozen})
        features = programs.features(frozen, data, precision)
        # Not augmented: a mirrored copy of every image doubled the time and, on four sets of
        # photos, changed the accuracy by chance only.
        activations = features.train_view(AugmentConfig(), 0)
        self._features = activations.reshape(len(activations), -1).astype(np.float32)
        self._labels = data.labels("train")
        validation, self._validation_labels = features.validation()
        self._validation = validation.reshape(len(validation), -1).astype(np.float32)
        self._path = solve_path(
            self._features,
            self._labels,
            sigmoid=config.model.output == "sigmoid",
            class_weights=config.training.class_weights,
        )
        self._solved: list[LinearHead] = []

    def head(self, number: int) -> LinearHead:
        """Returns the head of a strength, from 1, solving those before it first."""
        while len(self._solved) < number:
            self._solved.append(next(self._path))
        return self._solved[number - 1]

    def training_figures(self, head: LinearHead) -> dict[str, float]:
        """Returns every metric of a head on the training images."""
        return metrics.evaluate(_logits(head, self._features), self._labels)

    def best_number(self, metric: str) -> int:
        """Returns the number of the head that a trial of solved heads alone would keep."""
        row, config, state, number = METRICS[metric], self._config, PolicyState(), 0
        while not is_over(state, number, config, row.perfect):
            number += 1
            logits = _logits(self.head(number), self._validation)
            state = advance(
                state,
                number,
                metrics.evaluate(logits, self._validation_labels)[metric],
                maximize=row.maximize,
                training=config.training,
                phase=phase_of(config, number),
            )
        return state.best_epoch


def _logits(head: LinearHead, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features @ head.kernel + head.bias
