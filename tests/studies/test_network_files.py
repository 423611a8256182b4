"""A study's own networks: settings of the space, and part of a trial's identity."""

from __future__ import annotations

import hashlib

import pytest
from optuna.trial import FixedTrial

from models.errors import ModelError
from models.source import Source
from studies.errors import StudyError
from studies.network_files import NetworkFile, declare, table_of
from studies.network_tries import tries
from studies.portfolio import opening
from studies.settings import StudySettings
from studies.space import DataFacts, Space, default_space, fit
from studies.suggest import nearest_trial, params_of, suggest
from studies.toml_files import load_settings
from studies.trial_config import TrialConfig

TEXT = """
from hpo import Choice, FloatRange, IntRange, network

@network(min_size_px=32, filters=Choice(16, 32, 64), depth=IntRange(2, 5), rate=FloatRange(0, 1))
def plain(images, *, filters, depth, rate):
    return images

@network(output="softmax")
def whole(images, classes):
    return images
"""
FACTS = DataFacts(classes=3, native_size_px=48, train_images=500)


@pytest.fixture(scope="module")
def file() -> NetworkFile:
    """A file of two networks."""
    return declare(Source("mine.py", TEXT))


def space_of(file: NetworkFile, **changes: object) -> Space:
    """The default space beside the built-in networks, changed."""
    table = table_of([file])
    usable = [name for name, row in table.catalogue.rows.items() if not row.has_weights]
    return fit(default_space(FACTS, usable, table).with_changes(changes), FACTS, usable)


def test_a_file_is_kept_as_json(file: NetworkFile) -> None:
    """What a study stores is the file again."""
    assert NetworkFile.model_validate_json(file.model_dump_json()) == file
    assert [each.name for each in file.networks] == ["plain", "whole"]
    assert file.networks[1].takes_classes


def test_own_networks_are_searched_beside_the_others(file: NetworkFile) -> None:
    """They are in the default space, with their settings, and come once in the opening."""
    space = space_of(file)
    assert {"plain", "whole", "cnn"} <= {*space.values("backbone")}
    assert {"plain.filters", "plain.depth", "plain.rate"} <= {*space.searched}
    assert {"network plain", "network whole"} <= {step.name for step in opening(space, FACTS)}


def test_images_are_made_large_enough(file: NetworkFile) -> None:
    """Digits of 8 px are enlarged for a network that takes 32."""
    facts = DataFacts(classes=3, native_size_px=8, train_images=500)
    space = default_space(facts, ["cnn", "plain"], table_of([file]))
    assert space.values("scratch_image_size_px") == (32,)


def test_a_trial_has_the_settings_of_its_network_alone(file: NetworkFile) -> None:
    """They are drawn where the network is, and lead back to the same parameters."""
    space = space_of(file)
    params, config = nearest_trial(space, FACTS, {"backbone": "plain", "plain.filters": 64})
    assert config.model.own is not None
    assert config.model.own.settings == {"filters": 64, "depth": 3, "rate": 0.5}
    assert config.model.own.code == file.source.digest
    assert suggest(FixedTrial(params), space, FACTS) == config
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    assert "filters 64" in config.summary
    other = nearest_trial(space, FACTS, {"backbone": "cnn"})[0]
    assert not any(name.startswith("plain") for name in other)


def test_a_whole_network_gets_no_head(file: NetworkFile) -> None:
    """The settings of a head are not drawn for it."""
    params, config = nearest_trial(space_of(file), FACTS, {"backbone": "whole"})
    assert not {"head_widths", "dropout", "pooling", "output"} & params.keys()
    assert config.model.own is not None
    assert config.model.own.settings == {}


def test_a_changed_text_is_another_trial(file: NetworkFile) -> None:
    """The same settings under another text are no duplicate, and lie outside the space."""
    changed = declare(Source("mine.py", TEXT + "# changed\n"))
    wanted = {"backbone": "plain"}
    (_, before), (_, after) = (
        nearest_trial(space_of(each), FACTS, wanted) for each in (file, changed)
    )
    assert before.identity != after.identity
    with pytest.raises(StudyError, match=r"model\.own"):
        params_of(before, space_of(changed))


def test_the_identity_of_other_trials_has_nothing_of_it() -> None:
    """Studies from before keep their identities, and with them their checkpoints."""
    config = TrialConfig.model_validate(
        {"model": {"backbone": "cnn", "image_size_px": 8, "classes": 3}}
    )
    before = config.model_dump_json(exclude={"model": {"own"}})
    assert config.identity == hashlib.sha256(before.encode()).hexdigest()[:16]


def test_the_space_names_their_settings_in_toml(file: NetworkFile, tmp_path) -> None:
    """A dotted key of TOML is a table; an error names its line."""
    path, table = tmp_path / "s.toml", table_of([file])
    path.write_text("[space]\nplain.filters = [8, 16]\nplain.depth = { low = 1, high = 2 }\n")
    settings = StudySettings.model_validate(load_settings(path, table), context=table)
    assert settings.space == {"plain.filters": [8, 16], "plain.depth": {"low": 1, "high": 2}}
    space = space_of(file, **settings.space)
    assert space.values("plain.filters") == (8, 16)
    path.write_text("[space]\ndropout = 0.5\nplain.depht = 3\n")
    with pytest.raises(StudyError, match=r"line 3: .*'plain\.depht'.*plain\.depth"):
        load_settings(path, table)
    path.write_text('[space]\nplain.filters = "many"\n')
    with pytest.raises(StudyError, match=r"line 2: plain\.filters must be a whole number"):
        load_settings(path, table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("def whole(", "def cnn("), r"mine\.py, line 9: .*Received: 'cnn'"),
        (TEXT.replace("def whole(", "def dropout("), r"mine\.py, line 9: .*Received: 'dropout'"),
        (TEXT.replace("def whole(", "def plain("), r"mine\.py, line 9: .*Received: 'plain'"),
        ("x = 1\n", r"must declare a network"),
        (TEXT.replace("IntRange(2, 5)", "IntRange(5, 2)"), r"mine\.py, line 4: IntRange low must"),
    ],
)
def test_a_file_that_declares_wrongly_is_refused(text: str, said: str) -> None:
    """The message names the line."""
    with pytest.raises(ModelError, match=said):
        declare(Source("mine.py", text))


def test_networks_are_tried_at_the_ends_of_their_settings(file: NetworkFile) -> None:
    """The first settings come first; every choice and both ends of each range are among them."""
    found = tries((file,), space_of(file), FACTS)
    plain = [each.model.own.settings for each in found if each.network == "plain" if each.model.own]
    assert plain[0] == {"filters": 16, "depth": 3, "rate": 0.5}
    assert {each["depth"] for each in plain} == {2, 3, 5}
    assert {each["filters"] for each in plain} == {16, 32, 64}
    assert [each.first for each in found].count(True) == 2
    assert found[0].label == "plain(filters=16, depth=3, rate=0.5) at 32 px"
