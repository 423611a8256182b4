"""The wheel: what is in it, and that it runs by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hpo", "models", "data_pipeline", "studies")
FILES = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel({target!r}))"
LIBRARIES = Path(sysconfig.get_path("purelib"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built in a copy so that nothing is left in it."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    (copy / "hpo" / "__pycache__").mkdir()
    (copy / "hpo" / "__pycache__" / "old.cpython-311.pyc").touch()
    (copy / "tests").mkdir()
    (copy / "tests" / "__init__.py").touch()
    command = [sys.executable, "-c", BUILD.format(target=str(target))]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    return built


def test_it_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every file of the packages, the presets and templates too; no tests, nothing compiled."""
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= found


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel, and of this one only what it depends on.

    A path in a `.pth` file is not looked through for others, so that this checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    install = [scripts / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, wheel], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    libraries = subprocess.check_output([scripts / "python", "-c", where], text=True).strip()
    (Path(libraries) / "dependencies.pth").write_text(str(LIBRARIES))
    return scripts


def output(bare: Path, folder: Path, *words: str | Path) -> str:
    """What a command of that environment prints."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "HPO_STORAGE")}
    done = subprocess.run(
        [bare / words[0], *words[1:]],
        cwd=folder,
        env=inherited | {"HPO_CACHE_DIR": str(folder / "cache"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_a_study_without_the_checkout(bare: Path, tmp_path: Path) -> None:
    """Search, export and prediction, from the command line and from Python."""
    for package in PACKAGES:
        code = f"import {package}; print({package}.__file__)"
        assert str(bare.parent) in output(bare, tmp_path, "python", "-c", code)
    version = output(bare, tmp_path, "hpo", "--version").split()
    assert version == ["hpo,", "version", "0.1.0"]
    (tmp_path / "s.toml").write_text('[space]\nbackbone = "cnn"\nepochs = 1\n')
    run = output(bare, tmp_path, "hpo", "run", "--config", "s.toml", "--trials", "1")
    assert "1 complete" in run
    output(bare, tmp_path, "hpo", "best", "--export", "model.keras")
    assert "cats-dogs" in output(bare, tmp_path, "hpo", "presets")
    code = "import hpo; print(round(hpo.open().best.predict([[[[0] * 3] * 8] * 8]).sum(axis=1)[0]))"
    assert output(bare, tmp_path, "python", "-c", code).strip() == "1"
