"""Data sets and search spaces to test with."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from studies.parameters import SCRATCH_BACKBONES
from studies.space import DataFacts, Space, default_space

PHOTOS = DataFacts(classes=2, native_size_px=96, train_images=5600)
DIGITS = DataFacts(classes=10, native_size_px=8, train_images=1257, mirror_safe=False)
BACKBONES = ("mobilenet_0.75", *SCRATCH_BACKBONES)


def space_of(changes: dict[str, Any] | None = None, facts: DataFacts = PHOTOS) -> Space:
    """Returns the default space of `facts` with these changes, and networks from scratch too."""
    known = [name for name in BACKBONES if facts is not DIGITS or name in SCRATCH_BACKBONES]
    return default_space(facts, BACKBONES).with_changes({"backbone": known} | (changes or {}))


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "backbone": st.sampled_from(["cnn", ["cnn", "mobilenet_0.75"], ["resnet_small", "cnn"]]),
        "pretrained": st.sampled_from([True, False, [True, False]]),
        "trainable_stages": st.sampled_from([0, [0, 5], {"low": 1, "high": 5, "step": 2}]),
        "head_widths": st.sampled_from(["none", 64, ["512-128", "none"], False]),
        "dropout": st.sampled_from([0, {"low": 0.1, "high": 0.5, "step": 0.1}, [0.2, 0.8], False]),
        "optimizer": st.sampled_from(["sgd", ["adamw", "lion"], ["adam", "sgd"], False]),
        "learning_rate": st.sampled_from([1e-4, {"low": 1e-5, "high": 0.5}, [0.1, 0.01], False]),
        "weight_decay": st.sampled_from([0.01, {"low": 1e-4, "high": 1e-2, "zero": True}, False]),
        "l2": st.sampled_from([0.01, 0.0, [0.0, 0.01], False]),
        "l2_scope": st.sampled_from([["all", "output"], "output"]),
        "augmentation": st.sampled_from(["cifar-mixup", ["none", "cats-dogs", "mixup"], False]),
        "rotation_deg": st.sampled_from([20, {"low": 0, "high": 40}, False]),
        "brightness": st.sampled_from(["0.5-1.5", ["1-1", "0.8-1"], False]),
        "flip_horizontal": st.sampled_from([True, False, [True, False]]),
        "mixup_alpha": st.sampled_from([0.2, [0.0, 0.2], False]),
        "epochs": st.sampled_from([25, {"low": 10, "high": 30, "step": 5}, False]),
        "schedule": st.sampled_from(["constant", "cosine", ["constant", "plateau", "cosine"]]),
        "plateau_patience": st.sampled_from([5, {"low": 1, "high": 9}]),
    },
)
"""What a [space] table may hold."""
