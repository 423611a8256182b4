"""Nothing but `data_pipeline.system` needs Linux."""

from __future__ import annotations

import ast
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import elsewhere
from tests.elsewhere import FOLDERS, MODULES, OF_OS, OF_SIGNAL, OURS

ROOT = Path(__file__).parents[1]
PROGRAM = Path(elsewhere.__file__)
FAKE_HPO = ROOT / "tests/hpo/search/fake_hpo.py"
SYSTEM = "data_pipeline/system.py"
FILES = [
    path.relative_to(ROOT).as_posix()
    for package in OURS
    for path in sorted((ROOT / package).rglob("*.py"))
]


def run(folder: Path, *words: str) -> str:
    """Types a command as if on a system that has only what all systems have."""
    done = subprocess.run(
        [sys.executable, "-P", str(PROGRAM), *words],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "HPO_STORAGE"},
            "HPO_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(source: str) -> Iterator[str]:
    """Yields what a module uses that only some systems have."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                gone = {"os": OF_OS, "signal": OF_SIGNAL}.get(module, ())
                yield from (f"{module}.{n.name}" for n in names if n.name in gone)
                yield from [module] if module in MODULES else []
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in OF_OS:
                yield f"os.{name}"
            case ast.Attribute(value=ast.Name(id="signal"), attr=name) if name in OF_SIGNAL:
                yield f"signal.{name}"
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                yield "sys.platform"
            case ast.keyword(arg=str(name)) if name in ("start_new_session", "preexec_fn"):
                yield name
            case ast.Constant(value=str(text)) if text.startswith(FOLDERS):
                yield text


@pytest.mark.parametrize("file", FILES)
def test_one_module_asks_which_system_this_is(file: str) -> None:
    """All others use what every system has."""
    found = set(needs((ROOT / file).read_text()))
    assert bool(found) == (file == SYSTEM), found


def test_every_module_is_imported(tmp_path: Path) -> None:
    """Whatever is missing, it is not missed on the way in."""
    packages = [import_module(name) for name in OURS]
    names = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith("__main__")
    ]
    assert len(names) > 150
    script = tmp_path / "imports.py"
    lines = ["import importlib", f"for name in {names!r}:", "    importlib.import_module(name)"]
    script.write_text("\n".join(lines))
    run(tmp_path, str(script))


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "import os; os.pwrite",
        "from signal import SIGHUP",
        "from pathlib import Path; Path('/proc/cpuinfo').read_text()",
        "from pathlib import Path; Path('/proc/self/ns/pid').readlink()",
    ],
)
def test_what_is_taken_away_is_missed(tmp_path: Path, line: str) -> None:
    """A module of ours that needed it would fail."""
    package = tmp_path / "models"
    package.mkdir()
    (package / "__init__.py").write_text(line)
    script = tmp_path / "script.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import models")
    with pytest.raises(
        AssertionError, match=r"No module|has no attribute|No such file|cannot import"
    ):
        run(tmp_path, str(script))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two classes of forty noisy images."""
    random = np.random.default_rng(0)
    for label, mean in (("dark", 60), ("light", 190)):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for number in range(40):
            pixels = random.normal(mean, 30, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_the_command_line(tmp_path: Path, photos: Path) -> None:
    """Help, a check of data, a search with its listing, and the cache."""
    assert "Tune Keras" in run(tmp_path, "-m", "hpo", "--help")
    assert "80" in run(tmp_path, "-m", "hpo", "doctor", str(photos))
    words = ("run", "--data", str(photos), "--trials", "2", "--backbones", "cnn")
    assert "2 complete" in run(tmp_path, str(FAKE_HPO), *words)
    assert "photos" in run(tmp_path, "-m", "hpo", "studies")
    assert "complete" in run(tmp_path, "-m", "hpo", "trials")
    assert "images" in run(tmp_path, "-m", "hpo", "cache")
