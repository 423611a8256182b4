"""What a worker keeps between trials: traced programs, and the features of frozen backbones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from hpo.training.costs import measure
from hpo.training.device import Device
from hpo.training.features import FeatureInputs, Features, features_fit
from hpo.training.inputs import ImageInputs, Inputs, TrialData
from hpo.training.program import Predictor, Program, program_key
from models.catalogue import BUILT_IN, Catalogue
from models.config import STAGES, ModelConfig
from models.network import shape_key
from studies.trial_config import TrialConfig

KEPT_PARAMETERS = 50_000_000
"""Networks with this many parameters together are held at once; each costs memory."""


class _Sized(Protocol):
    @property
    def parameters(self) -> int: ...


T = TypeVar("T", bound=_Sized)


class _Recent(OrderedDict[Hashable, T]):
    """The most recently used values, as many as `KEPT_PARAMETERS` allows, but at least one."""

    def get_or_make(self, key: Hashable, make: Callable[[], T]) -> T:
        """Returns the value of `key`, made where there is none."""
        value = self.pop(key) if key in self else make()
        self[key] = value
        while len(self) > 1 and sum(v.parameters for v in self.values()) > KEPT_PARAMETERS:
            self.popitem(last=False)
        return value


class Programs:
    """The programs of one worker.

    Attributes:
        device: What it trains on.
        catalogue: What networks are built on.
    """

    def __init__(
        self,
        device: Device,
        alive: Callable[[], None] = lambda: None,
        catalogue: Catalogue = BUILT_IN,
    ) -> None:
        """Takes what is called now and then while features are computed or waited for."""
        self.device, self.catalogue = device, catalogue
        self._alive = alive
        self._programs: _Recent[Program] = _Recent()
        self._predictors: _Recent[Predictor] = _Recent()
        self._features: _Recent[Features] = _Recent()
        self._costs: dict[Hashable, dict[str, float]] = {}

    def costs(self, model: ModelConfig) -> dict[str, float]:
        """Returns what a network costs its users, which is measured once."""
        key = shape_key(model.model_copy(update={"trainable_stages": 0}))
        if key not in self._costs:
            self._costs[key] = measure(model, self.catalogue)
        return self._costs[key]

    def release(self) -> None:
        """Lets go of cached files between trials."""
        for features in self._features.values():
            features.release()

    def program(self, config: TrialConfig, inputs: Inputs, precision: str) -> Program:
        """Returns a program for the trial; its weights are those of the last trial that used it."""
        precision = _arithmetic(inputs, precision)
        key = program_key(config, precision, inputs.on_features)
        return self._programs.get_or_make(
            key,
            lambda: Program(
                config,
                precision=precision,
                on_features=inputs.on_features,
                jit_compile=self.device.jit_compile,
                base=inputs.base,
                catalogue=self.catalogue,
            ),
        )

    def predictor(self, config: TrialConfig, inputs: Inputs, precision: str) -> Predictor:
        """Returns a float32 predictor for the trial's network: its program, where that is one.

        Its weights are to be set.
        """
        if _arithmetic(inputs, precision) == "float32":
            return self.program(config, inputs, precision)
        key = shape_key(config.model), inputs.on_features
        return self._predictors.get_or_make(
            key,
            lambda: Predictor(
                config.model,
                precision="float32",
                on_features=inputs.on_features,
                catalogue=self.catalogue,
            ),
        )

    def inputs(self, config: TrialConfig, data: TrialData, precision: str) -> Inputs:
        """Returns what the trial's network is fed: images, or what its frozen base makes of them.

        Which of the two depends on the settings alone, never on what is cached already.
        """
        model = config.model
        if not model.pretrained or model.trainable_stages >= STAGES:
            return ImageInputs(data, config, warp_on_device=self.device.is_gpu)
        features = self.features(model, data, precision)
        if not features_fit(features, config, data.train_images):
            return ImageInputs(data, config, warp_on_device=self.device.is_gpu)
        return FeatureInputs(data, config, features)

    def features(self, model: ModelConfig, data: TrialData, precision: str) -> Features:
        """Returns the features of the network's frozen base."""
        base = (
            model.backbone,
            model.image_size_px,
            model.trainable_stages,
            model.pooling,
            precision,
        )
        return self._features.get_or_make(
            base, lambda: Features(model, data, precision, self._alive, self.catalogue)
        )


def _arithmetic(inputs: Inputs, precision: str) -> str:
    """What a program computes in: a head alone is too small to gain from less than float32."""
    return "float32" if inputs.on_features else precision
