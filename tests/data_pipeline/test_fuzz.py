"""Folders and files as nobody wants them: each is used as it should be, or found and named."""

from __future__ import annotations

import io
import os
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.files import DiskFiles
from data_pipeline.images import read_image
from data_pipeline.inspect_image import inspect_file
from data_pipeline.manifest import create_manifest
from data_pipeline.reading import choose_reading
from data_pipeline.store import resize
from tests.data_pipeline.odd_files import OddFile, drawn, odd_files
from tests.fuzzing import few, many

LONGEST_S = 20.0
"""A small file that takes longer hangs, on however busy a machine."""


def check_file(file: OddFile) -> None:
    """It is read as RGB of its own size, or it has a problem that says why it is not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file.name)
        path.write_bytes(file.content)
        began = time.monotonic()
        facts = inspect_file(DiskFiles(Path(folder)), file.name)
        if facts.problem:
            assert file.size is None
            assert facts.sha256 == ""
            with suppress(DataError):  # the first frame of a film may be whole
                read_image(path)
        else:
            image = read_image(path, choose_reading([facts]))
            assert image.mode == "RGB"
            assert file.size in (None, image.size)
            assert resize(image, 8).shape == (8, 8, 3)
        assert time.monotonic() - began < LONGEST_S


def test_files() -> None:
    """A few hundred files, whole and damaged, of every format."""
    few(check_file, odd_files(), 400)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_files() -> None:
    """The same with thousands that nobody has chosen."""
    many(check_file, odd_files())


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12) | st.sampled_from(
    [
        "-rf",
        "--help",
        "a\nb",
        "\u202egpj.x",
        "~",
        "$(id)",
        "%s",
        "{0}",
        "é",
        "e\u0301",
        "*",
        "\udcff",
    ]
)
KINDS = ("image", "torn", "empty", "text", "folder", "outside", "loop", "broken", "pipe")
ENTRIES = st.lists(
    st.tuples(st.sampled_from("ab"), NAMES, st.sampled_from(KINDS)),
    max_size=8,
    unique_by=lambda entry: entry[:2],  # a pipe would be written to for ever
)


def put(path: Path, kind: str, outside: Path) -> None:
    """Makes one odd thing in a folder; nothing where the file system does not take the name."""
    noise = np.random.default_rng(zlib.crc32(ascii(path).encode())).integers(0, 256, (9, 9, 3))
    stream = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).save(stream, "PNG")
    picture = stream.getvalue()
    try:
        match kind:
            case "image":
                path.write_bytes(picture)
            case "torn":
                path.write_bytes(picture[:100])
            case "empty":
                path.touch()
            case "text":
                path.write_text("text")
            case "folder":
                path.mkdir()
            case "outside":
                path.symlink_to(outside)
            case "loop":
                path.symlink_to(path.parent)
            case "broken":
                path.symlink_to("nowhere")
            case "pipe":
                os.mkfifo(path)
    except (OSError, UnicodeEncodeError):
        return


def shown(path: Path, root: Path) -> str:
    """A path as findings write it."""
    relative = os.fsencode(path.relative_to(root).as_posix())
    return relative.decode("utf-8", "backslashreplace")


def check_folder(entries: list[tuple[str, str, str]]) -> None:
    """Everything in it is in the manifest or among the findings."""
    with tempfile.TemporaryDirectory() as folder:
        root, secret = Path(folder, "data"), Path(folder, "secret.png")
        secret.write_bytes(drawn("PNG", "L", 1, 1))
        for number in range(12):
            name = root / "ab"[number % 2] / f"{number}.png"
            name.parent.mkdir(parents=True, exist_ok=True)
            put(name, "image", secret)
        for label, name, kind in entries:
            suffix = "" if kind == "folder" else ".png"
            put(root / label / f"{name}{suffix}", kind, secret)
        manifest, audit = create_manifest(str(root), seed=0)
        manifest.model_dump_json()
        audit.model_dump_json()
        items = {item.path for item in manifest.items}
        found = {path for finding in audit.findings for path in finding.paths}
        there = {shown(path, root) for path in root.rglob("*")} - {"a", "b"}
        assert there <= items | found
        assert len(manifest.items) == len(items)
        for item in manifest.items:
            assert read_image(root / item.path).mode == "RGB"


def test_folders() -> None:
    """A hundred folders with odd names, links, pipes and torn files."""
    few(check_folder, ENTRIES, 100)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_folders() -> None:
    """The same with thousands that nobody has chosen."""
    many(check_folder, ENTRIES)
