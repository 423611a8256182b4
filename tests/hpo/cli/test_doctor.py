"""`hpo doctor`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hpo.cli import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two class folders with ten different images each."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("cats", "dogs")):
        (tmp_path / name).mkdir()
        for i in range(10):
            pixels = random.integers(0, 200, (4, 4, 3)) + 20 * label
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_a_sound_folder(root: Path) -> None:
    """Counts per class and split, and exit code 0."""
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any("20 images (class folders)" in line for line in lines)
    assert any(line.split()[1:5:2] == ["cats", "7"] for line in lines if "cats" in line)
    assert any(line.split()[1:5:2] == ["all", "14"] for line in lines if "all" in line)
    assert lines[-1] == "No errors: you can train on this data set."


def test_errors_give_exit_code_1(root: Path) -> None:
    """Errors are named in words and the exit code says so."""
    (root / "owls").mkdir()
    Image.new("RGB", (4, 4), "white").save(root / "owls" / "1.png")
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert result.exit_code == 1
    assert "error too_small (1): The class has too few different images" in result.stdout
    assert "    owls (1 different images or groups)" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Fix the errors before")


def test_warnings_name_ten_examples(root: Path) -> None:
    """Of many files the first ten are named and the rest counted; warnings are no failure."""
    for i in range(13):
        (root / "cats" / f"empty{i:02}.png").touch()
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert result.exit_code == 0
    assert "warning empty (13): The file is empty." in result.stdout
    assert "    cats/empty09.png" in result.stdout
    assert "empty10" not in result.stdout
    assert "    … and 3 more (--json lists all)" in result.stdout


def test_of_many_equal_files_ten_are_named(root: Path) -> None:
    """A group of a thousand blank images does not fill the screen."""
    for i in range(13):
        Image.new("RGB", (4, 4), "black").save(root / "cats" / f"shut{i:02}.png")
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert "= cats/shut09.png and 3 more\n" in result.stdout


def test_names_cannot_control_the_terminal(root: Path) -> None:
    """Escape sequences and markup in file names are shown, not obeyed."""
    (root / "cats" / "\x1b[2J[red]a\nb.png").touch()
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert "    cats/\\x1b[2J[red]a\\nb.png" in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_equal_files_stand_side_by_side(root: Path) -> None:
    """Groups of duplicates are shown as such."""
    (root / "cats" / "copy.png").write_bytes((root / "cats" / "1.png").read_bytes())
    result = CliRunner().invoke(main, ["doctor", str(root)])
    assert "    cats/1.png = cats/copy.png" in result.stdout


def test_json(root: Path) -> None:
    """Everything that was found, for programs."""
    (root / "cats" / "empty.png").touch()
    result = CliRunner().invoke(main, ["doctor", str(root), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["source"] == str(root.resolve())
    assert found["layout"] == "class_folders"
    assert found["counts"]["cats"]["train"] == 7
    assert [(row["code"], row["paths"]) for row in found["findings"]] == [
        ("small_validation", ["2 images, of which one is 50.0 points of accuracy"]),
        ("empty", ["cats/empty.png"]),
    ]
    assert found["reading"]["ground"] == [255, 255, 255]


def test_class_pattern(tmp_path: Path) -> None:
    """A flat folder whose names cannot be guessed needs the pattern."""
    for value in range(8):
        Image.new("L", (4, 4), value).save(tmp_path / f"x{'ab'[value % 2]}{value}y.png")
    failed = CliRunner().invoke(main, ["doctor", str(tmp_path)])
    assert failed.exit_code == 1
    assert "--class-pattern" in failed.stderr
    pattern = ["--class-pattern", "^x(?P<class>[ab])"]
    assert CliRunner().invoke(main, ["doctor", str(tmp_path), *pattern]).exit_code == 0


def test_no_such_data() -> None:
    """Bad input is a message and exit code 1, without a traceback."""
    result = CliRunner().invoke(main, ["doctor", "nowhere"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: --data must be a folder of images")


def test_tensorflow_is_not_imported(root: Path) -> None:
    """A folder is audited without the seconds that TensorFlow takes to start."""
    script = (
        "import sys; from click.testing import CliRunner; from hpo.cli import main; "
        f"assert CliRunner().invoke(main, ['doctor', {str(root)!r}]).exit_code == 0; "
        "print([name for name in ('tensorflow', 'keras', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_what_cannot_be_seen_can_be_said(root: Path) -> None:
    """The options of `hpo run` that say how images are labelled and split work here, too."""
    lines = [f"{name}/{i}.png,{i % 2},p{i}" for name in ("cats", "dogs") for i in range(10)]
    table = root.parent / "labels.tsv"
    table.write_text("\n".join(["where,what,who", *lines]).replace(",", "\t"))
    words = ["--images", str(root), "--label-column", "what", "--group-column", "who", "--json"]
    result = CliRunner().invoke(main, ["doctor", str(table), *words])
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)["counts"]
    assert {name: sum(row.values()) for name, row in counts.items()} == {"0": 10, "1": 10}
    wrong = CliRunner().invoke(main, ["doctor", str(table), *words[:2], "--label-column", "wat"])
    assert wrong.exit_code == 1
    assert "Received: 'wat'. Did you mean 'what'?" in wrong.stderr
