"""Networks that a program defines."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any

import pytest

import hpo
from hpo.api.networks import network_files
from studies.networks import Network

CELLS = (
    """
import keras
from keras import layers
from hpo import Choice, IntRange, network
import numpy as np

STEEP = 0.5
x = np.zeros(3)
UNUSED = object()


class Double(layers.Layer):
    def call(self, images):
        return images * self.factor()

    def factor(self):
        return 2 * STEEP
""",
    """
def block(x, filters):
    if filters > 99:
        return block(x, 99)
    return layers.Conv2D(filters, 3, activation="relu", padding="same")(x)


@network(min_size_px=8, filters=Choice(4, 8), depth=IntRange(1, 2))
def plain(images, *, filters, depth):
    x = Double()(images)
    for _ in range(depth):
        x = block(x, filters)
    return keras.layers.MaxPooling2D()(x)


@network(width=Choice(4, 8))
def uses(images, *, width):
    return UNUSED
""",
)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a notebook in which these cells have run."""
    import __main__

    names = vars(__main__)
    for name in ("STEEP", "UNUSED", "x", "Double", "block", "plain", "uses"):
        monkeypatch.setitem(names, name, None)
    for number, cell in enumerate(CELLS):
        file = f"/tmp/ipykernel_1/{number}.py"
        monkeypatch.setitem(
            linecache.cache, file, (len(cell), None, cell.splitlines(keepends=True), file)
        )
        exec(compile(cell, file, "exec"), names)
    return names


def test_a_network_of_a_cell_is_carried_by_its_source(
    notebook: dict[str, Any], tmp_path: Path
) -> None:
    """With what it uses of other cells and nothing else, in a module that runs by itself."""
    (file,) = network_files([notebook["plain"]], tmp_path)
    text = Path(file).read_text()
    assert "UNUSED" not in text
    assert "numpy" not in text
    assert text.index("STEEP = 0.5") < text.index("class Double") < text.index("def plain")
    names: dict[str, Any] = {"__name__": "alone"}
    exec(compile(text, file, "exec"), names)
    again = names["plain"]
    assert isinstance(again, Network)
    assert dict(again.settings) == dict(notebook["plain"].settings)


def test_files_stay_files(notebook: dict[str, Any], tmp_path: Path) -> None:
    """Beside them, networks of modules have files of their own."""
    (tmp_path / "mine.py").write_text(
        "from hpo import network\n\n\n@network()\ndef own(images):\n    return images\n"
    )
    names: dict[str, Any] = {"__name__": "mine"}
    path = str(tmp_path / "mine.py")
    exec(compile(Path(path).read_text(), path, "exec"), names)
    assert network_files(path, tmp_path) == [path]
    assert network_files([Path(path)], tmp_path) == [path]
    assert network_files([names["own"], path], tmp_path) == [str(tmp_path / "own.py"), path]


def test_refuses(notebook: dict[str, Any], tmp_path: Path) -> None:
    """What cannot be written down is named, and nothing is written."""
    folder = tmp_path / "networks"
    with pytest.raises(hpo.ModelError, match="Received: UNUSED, a object"):
        network_files([notebook["uses"]], folder)
    with pytest.raises(hpo.ModelError, match="Decorate it"):
        network_files([notebook["block"]], folder)
    linecache.cache.clear()
    with pytest.raises(hpo.ModelError, match="whose source is not known"):
        network_files(notebook["plain"], folder)
    assert not folder.exists()


def test_a_search_among_networks_of_a_notebook(here: Path, notebook: dict[str, Any]) -> None:
    """It is searched, continued with the same source, and refused with another."""
    (here / "config").mkdir()
    space = {"backbone": ["plain"], "plain.filters": hpo.Choice(4, 8), "epochs": hpo.IntRange(1, 2)}
    search: Any = {"study": "own", "space": space, "networks": [notebook["plain"]]}
    study = hpo.search("photos", trials=1, **search)
    assert study.best.settings["plain.filters"] in (4, 8)
    assert len(hpo.search("photos", trials=2, **search).trials()) == 2
    notebook["STEEP"] = 0.25
    with pytest.raises(hpo.StudyError, match=r"\+STEEP = 0.25"):
        hpo.search("photos", trials=3, **search)
