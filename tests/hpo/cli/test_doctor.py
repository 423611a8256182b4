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


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """Three class folders of forty images, of which two lie in the wrong one."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("blue", "green", "red")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(40):
            pixels = random.integers(0, 160, (8, 8, 3))
            pixels[..., 2 - label] += 60
            wrong = name == "red" and i < 2
            folder = tmp_path / "data" / ("blue" if wrong else name)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}{i}.png")
    return tmp_path / "data"


def test_suspects_are_found_confirmed_and_left_out(larger: Path, tmp_path: Path) -> None:
    """The table has the wrong labels first; what is confirmed in it is left out."""
    table, type_ = tmp_path / "suspects.csv", CliRunner().invoke
    result = type_(main, ["doctor", str(larger), "--suspects", str(table)])
    assert result.exit_code == 0, result.output
    assert "suspect label (2): The label is probably wrong." in result.stdout
    assert "    blue/red0.png: blue, or rather red" in result.stdout
    lines = table.read_text("utf-8-sig").splitlines()
    assert {line.split(",")[1] for line in lines[1:3]} == {"blue/red0.png", "blue/red1.png"}
    table.write_text("\n".join([lines[0], *("yes" + line for line in lines[1:3]), *lines[3:]]))
    result = type_(main, ["doctor", str(larger), "--exclude", str(table), "--json"])
    report = json.loads(result.stdout)
    assert sum(sum(row.values()) for row in report["counts"].values()) == 118
    assert "suspects" not in report
    result = type_(main, ["doctor", str(larger), "--suspects", str(table)])
    assert result.exit_code == 1
    assert "are confirmed" in result.output


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_page_of_a_data_set(larger: Path, tmp_path: Path, language: str) -> None:
    """It shows the wrong labels with their pictures, and what the audit found."""
    html = tmp_path / "data.html"
    (larger / "red" / "empty.png").touch()
    words = ["doctor", str(larger), "--html", str(html), "--language", language]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    text = html.read_text("utf-8")
    assert text.count("blue/red0.png") == 1
    assert "data:image/jpeg;base64," in text
    assert "red/empty.png" in text
    assert f'lang="{language}"' in text


def test_no_file_is_written_beside_errors(root: Path, tmp_path: Path) -> None:
    """With errors no image is looked at; the page says so and lists them."""
    html, table = tmp_path / "data.html", tmp_path / "s.csv"
    (root / "owls").mkdir()
    Image.new("RGB", (4, 4), "white").save(root / "owls" / "1.png")
    words = ["doctor", str(root), "--html", str(html), "--suspects", str(table)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert not table.exists()
    assert "too few different images" in html.read_text("utf-8")


def test_names_become_no_markup(larger: Path, tmp_path: Path) -> None:
    """What files and classes are called is shown as it is."""
    (larger / "red").rename(larger / "<script>alert(1)")
    html = tmp_path / "data.html"
    result = CliRunner().invoke(main, ["doctor", str(larger), "--html", str(html)])
    assert result.exit_code == 0, result.output
    text = html.read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
