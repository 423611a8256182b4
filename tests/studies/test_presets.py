"""Tests of the presets: each fits data as its comments describe them."""

from __future__ import annotations

import re

import pytest
from optuna.trial import FixedTrial

from models.catalogue import BUILT_IN
from studies.baselines import Baselines, place
from studies.grid import combinations
from studies.settings import StudySettings
from studies.space import DataFacts, Space, default_space, fit
from studies.suggest import configure, suggest
from studies.toml_files import list_presets, load_settings, make_settings, preset_path

CLASSES = {"cats-dogs": 2, "cats-dogs-small": 2, "weather": 4}
NAMES = (
    "backbone-comparison",
    "cats-dogs",
    "cats-dogs-small",
    "cifar-scratch",
    "fine-tune",
    "weather",
)
SCRATCH = [name for name, row in BUILT_IN.rows.items() if not row.has_weights]


def read(name: str) -> StudySettings:
    """Returns a preset's settings."""
    return make_settings(load_settings(preset_path(name)))


def placed(
    name: str, available: list[str], size_px: int | None = None
) -> tuple[Space, DataFacts, Baselines]:
    """Returns a preset's space and baselines on a machine with these backbones."""
    settings = read(name)
    if size_px is not None:
        settings = settings.model_copy(update={"image_size_px": size_px})
    facts = DataFacts(
        classes=CLASSES.get(name, 10),
        native_size_px=settings.image_size_px or 0,
        train_images=5000,
    )
    space = fit(default_space(facts, available).with_changes(settings.changes), facts, available)
    missing = {backbone: "not here" for backbone in BUILT_IN if backbone not in available}
    return space, facts, place(settings.baseline, space, facts, missing)


def test_there_is_one_for_each_hand_tuned_system() -> None:
    """The six that the product promises."""
    assert tuple(sorted(list_presets())) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_comments_say_what_how_and_whose(name: str) -> None:
    """The opening comment holds the command, the data, the published figures and the time."""
    text = preset_path(name).read_text(encoding="utf-8")
    opening = text[: text.index("\n\ntrials")]
    assert all(line.startswith("#") for line in opening.splitlines() if line)
    assert f"hpo run --preset {name} --data PATH" in opening
    for words in ("Reproduces", "ublished", "Data:", "Time:"):
        assert words in opening
    assert read(name).published_by


@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_lies_in_the_space(name: str) -> None:
    """Where every backbone can be had, each is trained with exactly its settings."""
    space, facts, baselines = placed(name, list(BUILT_IN))
    assert not baselines.left_out
    for row in read(name).baseline:
        proposed = suggest(FixedTrial(dict(baselines.params[row.label])), space, facts)
        assert proposed == configure(row.settings, space, facts)


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_with_one_set_of_weights_can_run_it(name: str) -> None:
    """Baselines of other backbones are left out, those from scratch stay."""
    _, _, baselines = placed(name, [*SCRATCH, "mobilenet_0.75"])
    from_scratch = {row.label for row in read(name).baseline if row.settings["backbone"] in SCRATCH}
    assert from_scratch <= baselines.params.keys()
    assert not from_scratch & baselines.left_out.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_the_commands_fits(name: str) -> None:
    """Where the comment names an image size, every baseline can be trained at it."""
    text = preset_path(name).read_text(encoding="utf-8")
    for size_px in map(int, re.findall(r"^#   hpo run .*--image-size (\d+)", text, re.M)):
        placed(name, list(BUILT_IN), size_px)


def test_the_competition_allows_no_pretrained_weights() -> None:
    """Nothing in its space has any."""
    space, _, _ = placed("cifar-scratch", list(BUILT_IN))
    assert not any(BUILT_IN.find(str(name)).has_weights for name in space.values("backbone"))


def test_the_comparison_differs_in_nothing_but_the_backbone() -> None:
    """Every backbone of Keras once: as many combinations as there are pretrained ones."""
    space, facts, baselines = placed("backbone-comparison", list(BUILT_IN))
    pretrained = [
        name
        for name, row in BUILT_IN.rows.items()
        if row.has_weights and not name.startswith("hub:")
    ]
    assert combinations(space) == len(pretrained) == read("backbone-comparison").trials
    configs = [suggest(FixedTrial(dict(p)), space, facts) for p in baselines.params.values()]
    assert len({c.model.backbone for c in configs}) == 14
    same = [
        c.model_copy(update={"model": c.model.model_copy(update={"backbone": ""})}) for c in configs
    ]
    assert all(config == same[0] for config in same)
