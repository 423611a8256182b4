"""The documents are what the program says now, and point at what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from data_pipeline.images import read_image
from docs.generate import DOCUMENTS

ROOT = DOCUMENTS[0].parent
RENDERED = (
    "import json; from docs.generate import *;"
    "print(json.dumps([rendered(document.read_text('utf-8')) for document in DOCUMENTS]))"
)


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    """What `make docs` would write, in a process where nothing else has run."""
    done = subprocess.run([sys.executable, "-c", RENDERED], capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(DOCUMENTS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_generated_parts_are_up_to_date(document: Path, made: dict[Path, str]) -> None:
    """Every document is what `make docs` would write."""
    assert document.read_text(encoding="utf-8") == made[document], "run `make docs`"


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda document: document.name,
)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that exists, and a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        assert file.is_file(), target
        if anchor:
            assert anchor in _anchors(file.read_text(encoding="utf-8")), target


def test_the_readme_is_short_and_shows_pictures() -> None:
    """It is read in one go; everything that is looked up is in docs/."""
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert "![" in text


@pytest.mark.parametrize(
    "document",
    [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "design.md"],
    ids=lambda document: document.name,
)
def test_files_and_modules_that_are_named_exist(document: Path) -> None:
    """A file or module in code type is one that the repository has."""
    text = document.read_text(encoding="utf-8")
    files = re.findall(r"`((?:data_pipeline|models|studies|hpo|tests|docs)/[\w/.]*)`", text)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def _anchors(text: str) -> set[str]:
    """The headings of a document as GitHub names them in links."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in headings}


def test_the_lines_that_read_a_file_elsewhere(tmp_path: Path) -> None:
    """They give the pixels that are trained on, of a turned photo and of a transparent drawing."""
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    section = text[text.index("## Reading a file elsewhere") :]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    photo, drawing = tmp_path / "turned.jpg", tmp_path / "drawing.png"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(pixels[..., :3]).save(photo, exif=exif)
    Image.fromarray(pixels).save(drawing)
    for path in (photo, drawing):
        seen: list[np.ndarray] = []
        model = SimpleNamespace(predict=seen.append)
        exec(code, {"Image": Image, "ImageOps": ImageOps, "np": np, "path": path, "model": model})
        np.testing.assert_array_equal(seen[0][0], np.asarray(read_image(path)))


def _blocks(document: Path) -> list[str]:
    """The blocks of code of a document, without their comments."""
    found = re.findall(r"```\w+\n(.*?)```", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [
        "\n".join(re.sub(r"\s+#.*", "", line) for line in block.splitlines()) for block in found
    ]


def _targets(document: Path) -> set[str]:
    text = document.read_text(encoding="utf-8")
    return {*re.findall(r"\]\(([^)\s]+)\)", text)} - {"README.md", "README.ko.md"}


def test_the_korean_readme_says_the_same() -> None:
    """The same commands and code in the same order, headings, tables, pictures and links."""
    english, korean = ROOT / "README.md", ROOT / "README.ko.md"
    assert _blocks(korean) == _blocks(english)
    assert _targets(korean) == _targets(english)
    for marks in (r"^#+ ", r"^\| ", r"^- "):
        counts = [
            len(re.findall(marks, document.read_text(encoding="utf-8"), flags=re.MULTILINE))
            for document in (english, korean)
        ]
        assert counts[0] == counts[1], marks
    numbers = [
        re.findall(r"\.\d{3,4}", document.read_text(encoding="utf-8"))
        for document in (english, korean)
    ]
    assert numbers[0] == numbers[1]
