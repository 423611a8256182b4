"""A user's network file, from its name to what a study keeps: everything wrong is said first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpo.paths import Paths
from hpo.search import networks
from hpo.search.networks import (
    Checker,
    Networks,
    as_files,
    files_in,
    networks_for,
    read_sources,
    refuse_changed,
)
from models.config import ModelConfig, OwnNetwork
from models.errors import ModelError
from models.source import Source
from studies.errors import StudyError
from studies.network_files import NetworkFile, declare
from studies.network_tries import Try
from studies.networks import IntRange, network
from studies.space import DataFacts, default_space
from studies.storage import default_url

HEAD = "import keras\nfrom keras import layers\nfrom hpo import Choice, IntRange, network\n"
WRONG = """
class Scale(layers.Layer):
    def __init__(self, times, **more):
        super().__init__(**more)
        self.times = times

    def call(self, x):
        return x * self.times

class Mute(Scale):
    def __init__(self, several):
        super().__init__(sum(several))

shared = layers.Dense(4)

@network()
def raises(images):
    x = layers.Conv2D(4, 3)(images)
    return layers.Dense(4)(y)

@network()
def nothing(images):
    layers.Conv2D(4, 3)(images)

@network()
def model(images):
    return keras.Model(images, layers.Conv2D(4, 3)(images))

@network()
def sequence(images):
    return layers.Reshape((-1, 3))(images)

@network()
def unrelated(images):
    return keras.Input((4, 4, 3))

@network()
def outside(images):
    return shared(images)

@network()
def lambdas(images):
    return layers.Lambda(lambda x: 2 * x)(images)

@network()
def mute(images):
    return Mute(range(3))(images)

@network(output="softmax")
def units(images):
    return layers.Dense(7)(layers.Flatten()(images))

@network()
def leaves(images):
    exit(3)

@network()
def forks(images):
    import os
    os.fork()
    return images

@network(depth=IntRange(1, 6))
def fine(images, *, depth=2):
    print("built", depth)
    x = Scale(2)(images)
    for _ in range(depth):
        x = layers.MaxPooling2D()(x)
    return x
"""
"""One network for each way to be wrong, and one that is right."""


def model_of(source: Source, name: str, **settings: int) -> ModelConfig:
    """A network of the file for images of 16 px in three classes."""
    own = OwnNetwork(code=source.digest, settings=dict(settings))
    return ModelConfig(backbone=name, image_size_px=16, classes=3, own=own)


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the user was told."""
    return []


@pytest.fixture(scope="module")
def source() -> Source:
    """The file with one network for each mistake."""
    return Source("mine.py", HEAD + WRONG)


@pytest.fixture(scope="module")
def declared(source: Source, said: list[str]) -> Iterator[Networks]:
    """Its networks, and the process that builds them."""
    with Checker([source], said.append) as checker:
        yield Networks(checker.declare(), checker)


@pytest.fixture
def checker(declared: Networks) -> Checker:
    """The process that builds its networks."""
    assert declared.checker is not None
    return declared.checker


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "raises",
            r"mine\.py, line 22: NameError: name 'y' .*\n    return layers\.Dense\(4\)\(y\)",
        ),
        ("nothing", r"mine\.py, line 25: nothing\(\) must return .*Is its `return` missing"),
        ("model", r"mine\.py, line 29: .*Received: a keras.Functional. Return what it gives"),
        ("sequence", r"mine\.py, line 33: .*feature map .*Received: \(None, None, 3\)|256, 3"),
        ("unrelated", r"mine\.py, line 37: "),
        ("outside", r"mine\.py, line 41: .*made within its function"),
        ("lambdas", r"mine\.py, line 45: .*Lambda"),
        ("mute", r"mine\.py, line \d+: .*get_config\(\)"),
        ("units", r"mine\.py, line 53: .*must return \(None, 3\) for 3 classes.*\(None, 7\)"),
        ("forks", r"mine\.py, line 63: .*copies of the process. Received: os\.fork"),
        ("leaves", r"mine\.py, line 58: .*must not end the program"),
    ],
)
def test_a_mistake_is_the_users_line(
    name: str, problem: str, checker: Checker, source: Source
) -> None:
    """Each is found by building the network once, and the others can still be built."""
    built = checker.build(Try(name, model_of(source, name), first=True))
    assert built.problem is not None
    assert re.search(problem, built.problem), built.problem
    assert f"while {name}() at 16 px was built" in built.problem


def test_what_can_be_built_is_described(checker: Checker, source: Source, said: list[str]) -> None:
    """Its size, its own layers, and what the file printed."""
    built = checker.build(Try("fine", model_of(source, "fine", depth=2), first=True))
    assert built.problem is None
    assert built.needs_layers
    assert set(built.layers) >= {"Scale", "Mute"}
    assert built.parameters == 3 * 3 + 3
    assert any("mine.py printed: built 2" in line for line in said)


def test_settings_that_cannot_be_built_are_no_mistake(declared: Networks) -> None:
    """The study begins all the same, and says which trials will fail."""
    (file,) = declared.files
    fine = tuple(network for network in file.networks if network.name == "fine")
    found = replace(declared, files=(file.model_copy(update={"networks": fine}),))
    told: list[str] = []
    facts = DataFacts(classes=3, native_size_px=16, train_images=100)
    space = default_space(facts, ["fine"], found.table)
    (checked,) = found.checked(space, facts, told.append)
    assert checked.needs_layers == ("fine",)
    assert any("fine(depth=6) at 16 px was built" in line for line in told)
    assert any(re.match(r"Network fine: [\d,]+ parameters", line) for line in told)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import os\nos._exit(7)\n", r"mine\.py: .*must not end the program.*exit status 7"),
        ("import time\ntime.sleep(999)\n", r"mine\.py, line 2: .*within 1 s"),
    ],
)
def test_a_file_that_ends_or_holds_up_the_process(
    text: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but its own process comes to an end."""
    monkeypatch.setattr(networks, "LIMIT_S", 1.0)
    with (
        Checker([Source("mine.py", text)], print) as made,
        pytest.raises(ModelError, match=problem),
    ):
        made.declare()


def test_a_changed_file_is_shown_and_refused(tmp_path: Path) -> None:
    """A file that is gone is no difference, and neither is the same one elsewhere."""
    path = tmp_path / "mine.py"
    kept = NetworkFile(name="mine.py", text="a = 1\nb = 2\n")
    refuse_changed("s", [kept], [str(path)])
    path.write_text("a = 1\nb = 2\n")
    refuse_changed("s", [kept], [str(path)])
    path.write_text("a = 1\nb = 3\n")
    with pytest.raises(StudyError, match=r"(?s)-b = 2\n\+b = 3\n.*--from s"):
        refuse_changed("s", [kept], [str(path)])
    with pytest.raises(StudyError, match=r"Received: mine\.py; it has no network file"):
        refuse_changed("s", [], [str(path)])


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: None, r"does not exist"),
        (lambda path: path.mkdir(), r"cannot be read"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), r"cannot be read"),
        (lambda path: path.write_text("#" * 50_000), r"40,000 bytes together. Received: 50,000"),
    ],
)
def test_a_file_that_cannot_be_kept_is_refused(
    write: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    """Before anything is started."""
    write(tmp_path / "mine.py")
    with pytest.raises(StudyError, match=problem):
        read_sources([str(tmp_path / "mine.py")])


def test_without_files_nothing_is_started(tmp_path: Path) -> None:
    """A study without networks of its own has everybody's settings."""
    with networks_for(Paths(default_url(tmp_path), tmp_path), "s", (), print) as found:
        assert found.files == ()
        assert found.checker is None
    assert files_in({"networks": "a.py"}) == ("a.py",)
    assert files_in({"networks": ["a.py", "b.py"]}) == ("a.py", "b.py")
    assert files_in({"networks": 3}) == ()


@network(filters=IntRange(4, 8))
def defined_here(images: Any, *, filters: int) -> Any:
    """A network of this file."""
    return images, filters


def test_networks_of_python_become_files(tmp_path: Path) -> None:
    """Of this file one holds the network and nothing else; names of files stay what they are."""
    names = as_files([defined_here, tmp_path / "other.py"], tmp_path / "networks")
    assert names == [str(tmp_path / "networks" / "defined_here.py"), str(tmp_path / "other.py")]
    (source,) = read_sources(names[:1])
    assert "WRONG" not in source.text
    assert [each.name for each in declare(source).networks] == ["defined_here"]
