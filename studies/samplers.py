"""What proposes the next trial: one row a sampler, every default written out."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from studies.learning import Learned


class TPE(BaseModel):
    """Multivariate tree-structured Parzen estimator (Bergstra et al. 2011, Falkner et al. 2018)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["tpe"] = "tpe"
    n_startup_trials: int = Field(
        default=10, ge=0, description="Trials drawn at random before it learns."
    )
    n_ei_candidates: int = Field(
        default=24, ge=1, description="Candidates compared for each proposal."
    )
    multivariate: bool = Field(default=True, description="Models the parameters together.")
    group: bool = Field(
        default=True, description="Models those of each branch of a conditional space together."
    )
    constant_liar: bool = Field(
        default=True, description="Keeps away from what other workers are training."
    )


class Random(BaseModel):
    """Independent draws: the reference that a learning sampler has to beat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["random"] = "random"


class Exhaustive(BaseModel):
    """Every combination of a space of choices and steps once, in random order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["exhaustive"] = "exhaustive"


SamplerSettings = Annotated[TPE | Random | Exhaustive, Field(discriminator="name")]


@dataclass(frozen=True)
class Sampler:
    """One row.

    Attributes:
        settings: Its options with their defaults.
        make: Makes it from these, a seed, and what other studies teach, if anything.
        help: What it is good for.
        learns: Whether it can learn from other studies.
    """

    settings: type[BaseModel]
    make: Callable[[Any, int, Learned | None], BaseSampler]
    help: str
    learns: bool = False


def _tpe(settings: TPE, seed: int, learned: Learned | None) -> BaseSampler:
    from studies.recent_tpe import RecentTPESampler

    return RecentTPESampler(learned, seed=seed, **settings.model_dump(exclude={"name"}))


def _random(settings: Random, seed: int, _: Learned | None) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _exhaustive(settings: Exhaustive, seed: int, _: Learned | None) -> BaseSampler:
    from optuna.samplers import BruteForceSampler

    class _BruteForce(BruteForceSampler):
        """Without Optuna's own end, which needs `study.optimize`: trials are counted here."""

        def after_trial(self, *args: Any) -> None:
            pass

    return _BruteForce(seed=seed)


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "tpe": Sampler(TPE, _tpe, "Learns from the trials so far.", learns=True),
        "random": Sampler(Random, _random, "Learns nothing: what the others have to beat."),
        "exhaustive": Sampler(
            Exhaustive, _exhaustive, "Every combination once, of a space of choices and steps."
        ),
    }
)


def make_sampler(
    settings: SamplerSettings,
    seed: int,
    trial_number: int,
    parameter: str = "",
    learned: Learned | None = None,
) -> BaseSampler:
    """Makes the sampler that proposes one trial, or one parameter of it.

    Args:
        settings: Its row's options.
        seed: The study's seed.
        trial_number: The trial's number: were the seed that of the study alone, a study that is
            continued would propose its first trials again.
        parameter: The parameter that is drawn on its own.
        learned: What other studies teach; None if nothing.
    """
    from optuna.exceptions import ExperimentalWarning

    digest = hashlib.sha256(f"sampler/{seed}/{trial_number}/{parameter}".encode()).digest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group` and BruteForceSampler are
        return SAMPLERS[settings.name].make(settings, int.from_bytes(digest[:4], "big"), learned)
