"""The seam: everything one trial is, as one frozen value that no `optuna.Trial` hangs on to."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data_pipeline.config import AugmentConfig
from models.config import STRENGTHS, ModelConfig, OptimizerConfig

MOST_VIEWS = 8
EPOCHS_A_VIEW = 2
"""Epochs in a row that see one view. A view costs as much as twenty epochs of a head on it, so the
next is not computed before this one is used; the accuracy is the same, see docs/performance.md."""


class TrainingConfig(BaseModel):
    """How a network is trained.

    Attributes:
        batch_size: Images a step.
        epochs: Passes over the training images, at most.
        head_epochs: Of these, the first ones that train the head alone while the backbone is
            frozen; only where `model.trainable_stages` is above 0.
        fine_tune_factor: The learning rate is multiplied by this after the head epochs.
        schedule: `constant`; `plateau` to lower the learning rate when validation stalls; `cosine`
            to lower it along half a cosine to nothing (Loshchilov & Hutter 2017). It starts anew
            after the head epochs.
        plateau_factor: What the learning rate is multiplied by then.
        plateau_patience: Epochs without improvement before that.
        plateau_cooldown: Epochs to wait after it.
        min_learning_rate: It never falls below.
        warmup: Share of all steps in which the learning rate rises from nothing; with `cosine`.
        early_stopping_patience: Epochs without improvement after which training ends; 0 is never.
            They are counted in the last phase only: head epochs never end a trial.
        batch_norm: By which statistics batch normalisation is evaluated where it is trained:
            `precise` takes them anew from training images for the weights as they are (Wu &
            Johnson 2021); `moving` is Keras's moving average over the training steps, which may
            lag behind the weights. Pretrained networks keep the statistics they came with.
        solved_head: The head, one dense layer on a pretrained backbone, begins as a logistic
            regression on the backbone's features instead of at random. If nothing else is trained
            that is all, and each epoch is one strength of its penalty; see `models.solved_head`.
        continued_after: Epochs after which a trial that had ended was given more; 0 is never. A
            cosine then starts anew, and so does the patience.
        label_smoothing: Share of each label that is spread evenly over all classes (Szegedy et al.
            2016), in [0, 1).
        weight_average: Decay a step of the exponential moving average of the weights, which is
            what is validated and kept (Polyak & Juditsky 1992); 0 is none.
        stage_decay: What the learning rate is multiplied by for each stage of the backbone that
            lies above a layer (Howard & Ruder 2018), in (0, 1]; 1 gives all the same.
        class_weights: Whether each image counts by how rare its class is, so that all classes
            count alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=10, ge=1)
    head_epochs: int = Field(default=0, ge=0)
    fine_tune_factor: float = Field(default=0.1, gt=0.0)
    schedule: Literal["constant", "plateau", "cosine"] = "plateau"
    plateau_factor: float = Field(default=0.3, gt=0.0, lt=1.0)
    plateau_patience: int = Field(default=3, ge=1)
    plateau_cooldown: int = Field(default=1, ge=0)
    min_learning_rate: float = Field(default=1e-7, ge=0.0)
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    early_stopping_patience: int = Field(default=10, ge=0)
    batch_norm: Literal["precise", "moving"] = "precise"
    solved_head: bool = False
    continued_after: int = Field(default=0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    weight_average: float = Field(default=0.0, ge=0.0, lt=1.0)
    stage_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    class_weights: bool = False


class TrialConfig(BaseModel):
    """One trial: a network, its optimizer, its augmentation and how long it trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    augment: AugmentConfig = AugmentConfig()
    training: TrainingConfig = TrainingConfig()

    @property
    def is_solved(self) -> bool:
        """Whether it is a solved head on a frozen backbone, without any gradient step."""
        frozen = self.model.pretrained and self.model.trainable_stages == 0
        return frozen and self.training.solved_head

    @property
    def epochs(self) -> int:
        """How many epochs it may take; of a solved head, strengths of its penalty."""
        return len(STRENGTHS) if self.is_solved else self.training.epochs

    @property
    def views(self) -> int:
        """How many augmented views of the images a frozen base sees; more with more epochs."""
        if self.is_solved or self.augment.alone == AugmentConfig():
            return 1
        epochs = self.training.epochs
        return min(math.ceil(epochs / EPOCHS_A_VIEW), 2 + epochs // 5, MOST_VIEWS)

    def continued(self, after: int, epochs: int) -> TrialConfig:
        """Returns this trial with more epochs.

        Args:
            after: Epochs that it has had.
            epochs: Epochs that it gets on top.
        """
        changes = {"epochs": after + epochs, "continued_after": after}
        training = self.training.model_copy(update=changes)
        return self.model_copy(update={"training": training})

    @property
    def summary(self) -> str:
        """What people tell trials apart by, in a few words."""
        model = self.model
        parts = [f"{model.backbone} {model.image_size_px} px"]
        if model.own and model.own.settings:
            parts.append(", ".join(f"{name} {value}" for name, value in model.own.settings.items()))
        if model.pretrained and model.trainable_stages:
            parts.append(f"{model.trainable_stages} stages")
        if self.is_solved:
            return " · ".join([*parts, "solved head"])
        rate = f"{self.optimizer.name} {self.optimizer.learning_rate:.1e}"
        return " · ".join([*parts, f"batch {self.training.batch_size}", rate])

    @property
    def identity(self) -> str:
        """Hash of every setting: two trials with the same one are duplicates."""
        # Without what is None, so that studies keep the identities they had before networks of
        # one's own came.
        return hashlib.sha256(self.model_dump_json(exclude_none=True).encode()).hexdigest()[:16]
