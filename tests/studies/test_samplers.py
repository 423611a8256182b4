"""The contract of every sampler."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from studies.samplers import SAMPLERS, make_sampler
from studies.space import Space
from studies.suggest import params_of, suggest
from tests.studies.spaces import PHOTOS, space_of

FINITE = {
    "backbone": ["cnn", "resnet_small", "mobilenet_0.75"],
    "trainable_stages": {"low": 0, "high": 1},
    "head_widths": "none",
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.25},
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "l2": 0.0,
    "augmentation": "light",
    "mixup_alpha": 0.0,
    "batch_size": 32,
    "epochs": 10,
}
"""Two scratch backbones and one with two depths of fine-tuning, three dropouts: 12 trials."""


@pytest.mark.parametrize("name", SAMPLERS)
class TestSampler:
    """What every row of SAMPLERS must do."""

    def space(self, name: str) -> Space:
        """Returns the default space, or a finite one for what enumerates."""
        return space_of(FINITE if name == "exhaustive" else {})

    def run(self, name: str, trials: int, seed: int = 0) -> list[dict[str, Any]]:
        """Returns the parameters of a study's first trials."""
        study = optuna.create_study(direction="maximize")
        for number in range(trials):
            study.sampler = make_sampler(SAMPLERS[name].settings(), seed, number)
            trial = study.ask()
            config = suggest(trial, self.space(name), PHOTOS)
            study.tell(trial, -config.model.dropout)
        return [trial.params for trial in study.trials]

    def test_name_is_the_key(self, name: str) -> None:
        """A row's options carry its name, which is how a stored study finds it again."""
        assert SAMPLERS[name].settings().name == name
        assert SAMPLERS[name].help

    def test_proposals_lie_in_the_space(self, name: str) -> None:
        """Every proposal can be found again in the space it came from."""
        space = self.space(name)
        for params in self.run(name, 12):
            config = suggest(optuna.trial.FixedTrial(params), space, PHOTOS)
            assert params_of(config, space) == params

    def test_same_seed_proposes_the_same(self, name: str) -> None:
        """A study can be repeated."""
        assert self.run(name, 12) == self.run(name, 12)

    def test_another_seed_proposes_something_else(self, name: str) -> None:
        """The seed counts."""
        assert self.run(name, 12) != self.run(name, 12, seed=1)

    def test_trials_of_one_study_differ(self, name: str) -> None:
        """The trial's number counts: a continued study does not propose its first trials again."""
        proposals = self.run(name, 12)
        assert all(proposals.count(params) == 1 for params in proposals)


def test_parameters_drawn_alone_differ() -> None:
    """Two parameters of one range do not get the same random number."""
    space = optuna.distributions.FloatDistribution(0, 1)
    study = optuna.create_study()
    trial = study.ask()
    frozen = study.trials[trial.number]
    drawn = {
        make_sampler(SAMPLERS["tpe"].settings(), 0, 0, name).sample_independent(
            study, frozen, name, space
        )
        for name in ("a", "b", "a")
    }
    assert len(drawn) == 2


def test_exhaustive_tries_everything_once() -> None:
    """Twelve combinations are twelve trials, in an order of its own."""
    proposals = TestSampler().run("exhaustive", 12)
    assert len({tuple(sorted(params.items())) for params in proposals}) == 12


def test_tpe_learns() -> None:
    """Against chance, TPE's later proposals are nearer to the best dropout, 0."""
    late = {
        name: sum(params["dropout"] for params in TestSampler().run(name, 40)[20:]) / 20
        for name in ("tpe", "random")
    }
    assert late["tpe"] < 0.7 * late["random"]
