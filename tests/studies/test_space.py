"""Tests of `studies.space`, `studies.declarations` and `studies.domains`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from models.catalogue import BUILT_IN
from studies.domains import Choices, Fixed, FloatRange, IntRange
from studies.errors import StudyError
from studies.parameters import PARAMETERS
from studies.space import DataFacts, Space, default_space, fit
from tests.studies.spaces import BACKBONES, CHANGES, DIGITS, PHOTOS, space_of


def test_default_space_searches_what_it_promises() -> None:
    """What the documentation lists as searched is searched, everything else is fixed."""
    assert set(space_of().searched) == {
        "backbone",
        "image_size_px",
        "scratch_image_size_px",
        "trainable_stages",
        "head_widths",
        "solved_head",
        "dropout",
        "optimizer",
        "learning_rate",
        "sgd_learning_rate",
        "weight_decay",
        "l2",
        "augmentation",
        "mixup_alpha",
        "batch_size",
        "epochs",
        "schedule",
        "label_smoothing",
        "weight_average",
        "stage_decay",
    }


def test_learning_rates_are_continuous_and_logarithmic() -> None:
    """No grid: duplicates of proposals are as good as impossible."""
    for name in ("learning_rate", "sgd_learning_rate", "weight_decay", "l2"):
        domain = space_of()[name]
        assert isinstance(domain, FloatRange)
        assert domain.log
        assert domain.step is None


def test_small_images_leave_out_what_needs_larger_ones() -> None:
    """At 8 px no ImageNet backbone is in the space, and no level that mirrors a digit."""
    space = space_of(facts=DIGITS)
    assert space.values("backbone") == ("cnn_deep", "resnet_small", "cnn")
    assert space.values("augmentation") == ("shift", "none")


def test_tiny_images_are_enlarged() -> None:
    """Below what every network needs they are brought to that; alone, none of them is refused."""
    tiny = PHOTOS.model_copy(update={"native_size_px": 4})
    assert default_space(tiny, BACKBONES)["scratch_image_size_px"] == Fixed(value=8)
    with pytest.raises(StudyError, match=r"accepts images this small\. Received: 4 px"):
        default_space(tiny, ["xception"])


def test_sizes_that_the_cache_does_not_hold_are_not_searched() -> None:
    """The smallest is, which the user then may make smaller; an own wish is left alone."""
    large = DataFacts(classes=5, native_size_px=500, train_images=50_000, most_px=200)
    space = default_space(large, BACKBONES)
    assert space.values("image_size_px") == (96, 128, 160, 192)
    huge = large.model_copy(update={"most_px": 10})
    assert default_space(huge, BACKBONES)["image_size_px"] == Fixed(value=96)
    assert default_space(huge, ("cnn",))["scratch_image_size_px"] == Fixed(value=32)
    assert space.with_changes({"image_size_px": 384}).largest_px == 384


def test_a_machine_with_every_weight_searches_few() -> None:
    """A study of 50 trials does not try thirty backbones."""
    space = default_space(PHOTOS, tuple(BUILT_IN))
    assert len(space.values("backbone")) == 3


@pytest.mark.parametrize(
    ("train_images", "sizes"),
    [
        (3, (3,)),
        (40, (8,)),
        (100, (16,)),
        (1257, (32, 64, 128, 256)),
        (10, (8,)),
        (11_000, (32, 64, 128, 256, 512)),
        (50_000, (64, 128, 256, 512)),
        (500_000, (512,)),
        (768_001, (512,)),
        (10_000_000, (512,)),
    ],
)
def test_batch_sizes_suit_the_data(train_images: int, sizes: tuple[int, ...]) -> None:
    """An epoch has at least four steps where it can, and not thousands."""
    space = space_of(facts=PHOTOS.model_copy(update={"train_images": train_images}))
    assert space.values("batch_size") == sizes


def test_changes_declare_each_kind_of_domain() -> None:
    """A list, a table, a value and `false` become choices, a range, a fixed value, the default."""
    space = space_of(
        {
            "batch_size": [10, 50],
            "epochs": {"low": 10, "high": 30, "step": 10},
            "dropout": {"low": 0, "high": 0.5},
            "optimizer": "adamw",
            "head_widths": False,
            "rotation_deg": 20,
        }
    )
    assert space["batch_size"] == Choices(values=(10, 50))
    assert space["epochs"] == IntRange(low=10, high=30, step=10)
    assert space["dropout"] == FloatRange(low=0.0, high=0.5)
    assert space["optimizer"] == Fixed(value="adamw")
    assert space["head_widths"] == Fixed(value="none")
    assert space["rotation_deg"] == Fixed(value=20.0)


def test_one_choice_is_fixed() -> None:
    """A list of one value leaves nothing to choose."""
    assert space_of({"backbone": ["cnn", "cnn"]})["backbone"] == Fixed(value="cnn")


def test_a_new_range_keeps_the_scale() -> None:
    """What is searched by orders of magnitude stays so unless the table says otherwise."""
    assert space_of({"l2": {"low": 1e-5, "high": 1e-3}})["l2"] == FloatRange(
        low=1e-5, high=1e-3, log=True
    )
    linear = {"low": 0.0, "high": 1e-3, "log": False}
    assert space_of({"l2": linear})["l2"] == FloatRange(low=0.0, high=1e-3)


def test_sgd_follows_a_declared_learning_rate() -> None:
    """`learning_rate` alone holds for every optimizer; sgd's own wins where both are given."""
    assert space_of({"learning_rate": 0.001})["sgd_learning_rate"] == Fixed(value=0.001)
    both = space_of({"learning_rate": 0.001, "sgd_learning_rate": 0.1})
    assert both["learning_rate"] == Fixed(value=0.001)
    assert both["sgd_learning_rate"] == Fixed(value=0.1)


def test_part_of_the_augmentation_can_be_left_to_the_level() -> None:
    """`mixup_alpha = false` takes it out, so that the level's own mixup counts."""
    assert "mixup_alpha" not in space_of({"mixup_alpha": False})


def test_false_is_a_value_of_a_switch() -> None:
    """`pretrained = false` fixes it, it does not restore its default."""
    assert space_of({"pretrained": False})["pretrained"] == Fixed(value=False)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("learning_rte", 0.1, ["'learning_rte'", "Did you mean learning_rate"]),
        ("xyz", 0.1, ["'xyz'", "Allowed: backbone, "]),
        ("dropout", 1.5, ["dropout", "below 1.0", "Received: 1.5"]),
        ("dropout", {"low": 0.5, "high": 0.1}, ["dropout", "low = 0.5, high = 0.1"]),
        ("dropout", {"low": 0.5, "high": 1.0}, ["dropout", "below 1.0", "Received: 1.0"]),
        ("dropout", {"low": 0.5}, ["dropout.high is missing"]),
        ("dropout", {"lo": 0.5, "high": 1.0}, ["There is no key dropout.lo here"]),
        ("dropout", {"low": "a", "high": 1.0}, ["dropout.low", "Received: 'a'"]),
        ("l2", {"low": 0.0, "high": 0.1}, ["l2", "above 0 for log = true", "low = 0.0"]),
        ("dropout", {"low": 0.0, "high": 0.5, "step": 0.2}, ["whole number of steps"]),
        ("l2", {"low": 1e-4, "high": 0.1, "step": 0.1, "log": True}, ["exclude each other"]),
        ("optimizer", {"low": 0, "high": 1}, ["optimizer must be one of adam", "not a range"]),
        ("optimizer", ["adam", "adm"], ["one of adam", "Received: 'adm'"]),
        ("batch_size", [], ["at least one choice", "Received: []"]),
        ("backbone", False, ["backbone", "no default"]),
        ("epochs", True, ["a whole number", "Received: True"]),
    ],
)
def test_wrong_changes_are_explained(name: str, change: Any, words: list[str]) -> None:
    """The message names the key, what was received and what is allowed."""
    with pytest.raises(StudyError) as error:
        space_of({name: change})
    for word in words:
        assert word in str(error.value)


def test_all_wrong_changes_are_told_at_once() -> None:
    """Nobody corrects a file one error at a time."""
    with pytest.raises(StudyError) as error:
        space_of({"dropout": 2.0, "optimizer": "adm", "epochs": 5})
    assert len(str(error.value).splitlines()) == 2


@given(CHANGES)
def test_json_round_trip(changes: dict[str, Any]) -> None:
    """A stored space is the same space, types included, from JSON and from what it parses to."""
    space = space_of(changes)
    again = Space.model_validate_json(space.model_dump_json())
    assert again == space
    assert again.digest == space.digest
    assert again.model_dump_json() == space.model_dump_json()
    assert Space.model_validate(space.model_dump(mode="json")) == space


def test_digest_tells_spaces_apart() -> None:
    """The order of the entries does not count, their content does."""
    space = space_of()
    backwards = Space(dict(reversed(space.root.items())))
    assert backwards.digest == space.digest
    assert space_of({"dropout": 0.5}).digest != space.digest


def test_every_domain_is_of_a_parameter() -> None:
    """The default space is total but for the parts of the augmentation."""
    left_out = PARAMETERS.keys() - space_of().root.keys()
    assert {PARAMETERS[name].target.partition(".")[0] for name in left_out} == {"augment"}


def test_domains_are_frozen() -> None:
    """A study's distributions never change afterwards."""
    with pytest.raises(ValidationError, match="frozen"):
        space_of()["dropout"].low = 0.1  # type: ignore[union-attr,misc]


@pytest.mark.parametrize(
    ("domain", "inside", "outside", "near"),
    [
        (Fixed(value=3), [3], [4, "3"], (7, 3)),
        (Choices(values=(8, 32)), [8, 32], [16, "8"], (25, 32)),
        (Choices(values=("a", "b")), ["a"], ["c"], ("c", "a")),
        (Choices(values=("a", "b")), ["a"], [1], (1, "a")),
        (FloatRange(low=0.1, high=0.5), [0.1, 0.5], [0.0, 0.51, "0.2", True], (0.0, 0.1)),
        (FloatRange(low=0.1, high=0.5, zero=True), [0.0, 0.1], [0.05], (0.05, 0.1)),
        (FloatRange(low=0.1, high=0.5, step=0.1), [0.1, 0.3], [0.15], (0.35, 0.3)),
        (IntRange(low=2, high=8, step=3), [2, 5, 8], [3, 11, True, "5"], (7, 5)),
    ],
)
def test_domains_know_what_they_hold(
    domain: Any, inside: list[Any], outside: list[Any], near: tuple[Any, Any]
) -> None:
    """Membership and the nearest member of each kind of domain."""
    assert all(domain.contains(value) for value in inside)
    assert not any(domain.contains(value) for value in outside)
    wanted, nearest = near
    assert domain.nearest(wanted) == (
        nearest if isinstance(nearest, str) else pytest.approx(nearest)
    )
    assert domain.contains(domain.nearest(wanted))


def test_fit_drops_backbones_without_weights() -> None:
    """A choice whose weights are missing is left out, not failed on later."""
    space = space_of({"backbone": ["cnn", "mobilenet_0.75", "vgg16"]})
    assert fit(space, PHOTOS, BACKBONES).values("backbone") == ("cnn", "mobilenet_0.75")


def test_fit_drops_sizes_that_a_backbone_does_not_take() -> None:
    """A network that needs 75 px leaves the sizes from 96 px, and no trial can fail for it."""
    space = space_of({"backbone": ["cnn", "inception_v3"], "pretrained": False})
    assert min(space.values("scratch_image_size_px")) == 64
    assert fit(space, PHOTOS, BACKBONES).values("scratch_image_size_px") == (96,)


def test_fit_keeps_backbones_that_start_from_random_weights() -> None:
    """Without pretraining no weights are needed."""
    space = space_of({"backbone": ["cnn", "vgg16"], "pretrained": False})
    assert fit(space, PHOTOS, BACKBONES).values("backbone") == ("cnn", "vgg16")


@pytest.mark.parametrize(
    ("changes", "facts", "words"),
    [
        ({"backbone": "vgg16"}, PHOTOS, ["vgg16", "weights", "Available: mobilenet_0.75, cnn"]),
        (
            {"backbone": ["cnn", "mobilenet_0.75"], "image_size_px": 8},
            DIGITS,
            ["mobilenet_0.75", "32 px", "8 px"],
        ),
        ({"output": "sigmoid"}, DIGITS, ["sigmoid", "two classes", "Received: 10 classes"]),
    ],
)
def test_fit_refuses_what_the_data_rule_out(
    changes: dict[str, Any], facts: DataFacts, words: list[str]
) -> None:
    """A preset on data that it does not suit names both sides."""
    with pytest.raises(StudyError) as error:
        fit(space_of(changes, facts), facts, BACKBONES)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("native_px", "largest_px"),
    [(32, 160), (63, 160), (64, 224), (112, 224), (250, 224), (251, 288)],
)
def test_small_images_are_enlarged_for_pretrained_networks(native_px: int, largest_px: int) -> None:
    """Photos up to the size that the networks were made for, thumbnails less; large ones never."""
    facts = PHOTOS.model_copy(update={"native_size_px": native_px})
    space = default_space(facts, BACKBONES)
    assert max(space.values("image_size_px")) == largest_px
