"""The networks of a study that an ensemble is chosen from, and what each says of the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data_pipeline.cache import Cache
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.quiet import load_tensorflow
from hpo.results.calibration import temperature, tempered
from hpo.results.ranking import Ranking
from hpo.results.rebuild import read_weights
from hpo.search.open_study import OpenStudy
from models.catalogue import BUILT_IN, Catalogue
from studies.ensembles import Scores, greedy_soup
from studies.record import CONFIG_KEY
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    from hpo.training.programs import Programs
    from studies.metrics import Labels, Metric, Probabilities

MOST_CANDIDATES, MOST_IN_SOUP = 30, 5
"""A candidate with a frozen backbone costs a second, one of a fine-tuned backbone a pass over the
validation images."""
_SMALLEST = 1e-30


@dataclass(frozen=True)
class Candidate:
    """One network.

    Attributes:
        trials: Numbers of the trials whose weights it is the mean of; nearly always one.
        config: The settings of the first, `trainable_stages` as in the weights.
        weights: What is not ImageNet's of it, by name.
        shares: Its probabilities for the validation images.
        temperature: What its logits are divided by to make these honest.
    """

    trials: tuple[int, ...]
    config: TrialConfig
    weights: Mapping[str, np.ndarray]
    shares: Probabilities
    temperature: float

    @property
    def scores(self) -> Scores:
        """Logarithms of its honest probabilities."""
        return np.asarray(np.log(np.maximum(self.shares, _SMALLEST)) / self.temperature)


class Library:
    """Reads the kept weights of a study and asks their networks about the validation images."""

    def __init__(self, opened: OpenStudy, manifest: Manifest, catalogue: Catalogue = BUILT_IN):
        """Takes the study and its images."""
        load_tensorflow()

        from hpo.training.device import as_it_is
        from hpo.training.inputs import TrialData
        from hpo.training.programs import Programs

        cache = Cache()
        self.data = TrialData(manifest, lambda size_px: open_store(manifest, size_px, cache), cache)
        self.labels: Labels = self.data.labels("validation")
        self._opened, self._catalogue = opened, catalogue
        self._programs: Programs = Programs(as_it_is(), catalogue=catalogue)

    def candidates(self, ranking: Ranking) -> list[Candidate]:
        """Returns the networks of the best trials whose weights are kept, the best first.

        Soups of fine-tuned ones come last.

        Raises:
            StudyError: No trial's weights are there.
            ModelError: Pretrained weights are not on this machine.
            DataError: The images are not what they were.
        """
        kept = self._opened.files.weights()
        # A network of the user's own may have any output, and no logits to be averaged.
        ours = (row for row in ranking.best if not row.settings.get("model.own"))
        rows = [row for row in ours if row.number in kept][:MOST_CANDIDATES]
        rows = rows or [*ranking.best[:1]]  # which says that its weights are gone
        found = [
            self.trial(
                row.number, TrialConfig.model_validate(row.attributes[CONFIG_KEY]), ranking.metric
            )
            for row in rows
        ]
        return [*found, *self._soups(found, ranking.metric)]

    def trial(self, number: int, config: TrialConfig, metric: Metric) -> Candidate:
        """Returns the network of a trial.

        Raises:
            StudyError: Its weights are gone.
        """
        weights, stages = read_weights(self._opened, number)
        return self._candidate((number,), _at(config, stages), weights, metric)

    def _soups(self, found: Sequence[Candidate], metric: Metric) -> Iterator[Candidate]:
        """Yields a soup for each backbone and size that several trials fine-tuned."""
        alike: dict[str, list[Candidate]] = {}
        for candidate in found:
            model = candidate.config.model
            if model.pretrained and model.trainable_stages and not model.head_widths:
                key = model.model_copy(update={"trainable_stages": 0, "dropout": 0.0, "l2": 0.0})
                alike.setdefault(key.model_dump_json(), []).append(candidate)
        for parts in alike.values():
            if len(parts) > 1:
                soup = self._soup(parts[:MOST_IN_SOUP], metric)
                if len(soup.trials) > 1:
                    yield soup

    def _soup(self, parts: Sequence[Candidate], metric: Metric) -> Candidate:
        stages = max(part.config.model.trainable_stages for part in parts)
        whole = [self._with_stages(part, stages) for part in parts]
        tried: dict[tuple[int, ...], Candidate] = {p.trials: p for p in whole}

        def mix(some: Sequence[Candidate]) -> Probabilities:
            numbers = tuple(number for part in some for number in part.trials)
            if numbers not in tried:
                mean = {
                    name: np.mean([part.weights[name] for part in some], axis=0)
                    for name in some[0].weights
                }
                tried[numbers] = self._candidate(numbers, some[0].config, mean, metric)
            return tried[numbers].shares

        chosen = greedy_soup(whole, mix, self.labels, metric)
        return tried[tuple(number for part in chosen for number in part.trials)]

    def _with_stages(self, part: Candidate, stages: int) -> Candidate:
        """Returns the same network, of which more stages count as trained."""
        if part.config.model.trainable_stages == stages:
            return part
        from models.network import build_network, head_weights
        from models.variables import read

        config = _at(part.config, stages)
        below = build_network(part.config.model, seed=0, catalogue=self._catalogue).base
        all_weights = {**read(below.weights if below else []), **part.weights}
        names = head_weights(build_network(config.model, seed=0, catalogue=self._catalogue))
        return replace(part, config=config, weights={name: all_weights[name] for name in names})

    def _candidate(
        self,
        trials: tuple[int, ...],
        config: TrialConfig,
        weights: Mapping[str, np.ndarray],
        metric: Metric,
    ) -> Candidate:
        shares = self._shares(config, weights)
        degree = fitting_temperature(shares, self.labels, metric)
        return Candidate(trials, config, weights, shares, degree)

    def _shares(self, config: TrialConfig, weights: Mapping[str, np.ndarray]) -> Probabilities:
        """Returns a network's probabilities, computed as at the end of its trial."""
        from hpo.training.metrics import probabilities
        from models.memory import evaluation_batch
        from models.network import set_head_weights

        inputs = self._programs.inputs(config, self.data, "float32")
        predictor = self._programs.predictor(config, inputs, "float32")
        set_head_weights(predictor.network, weights)
        batch = evaluation_batch(
            predictor.network, config.training.batch_size, on_features=predictor.on_features
        )
        logits, _ = predictor.logits(inputs.validation(batch))
        return probabilities(logits)


def fitting_temperature(shares: Probabilities, labels: Labels, metric: Metric) -> float:
    """Returns the temperature that makes probabilities honest, or 1 where it lowers the metric.

    Of the metrics only the AUC can lose by it: it compares one image with another.
    """
    degree = temperature(shares, labels)
    before, after = metric.compute(shares, labels), metric.compute(tempered(shares, degree), labels)
    return degree if metric.order(after) <= metric.order(before) else 1.0


def _at(config: TrialConfig, stages: int) -> TrialConfig:
    model = config.model.model_copy(update={"trainable_stages": stages})
    return config.model_copy(update={"model": model})
