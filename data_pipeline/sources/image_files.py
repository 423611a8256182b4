"""Image files: in class folders or with classes in their names, listed by a table, or zipped."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.files import DiskFiles, Files, ZipFiles
from data_pipeline.folder import Contents
from data_pipeline.hashing import file_sha256
from data_pipeline.images import open_image, read_content
from data_pipeline.inspect_image import Keep, Progress, inspect_files
from data_pipeline.labelling import Labelling
from data_pipeline.layouts import Layout, find_layout
from data_pipeline.parts import Split, part_of
from data_pipeline.reading import Reading
from data_pipeline.sources.source import Found, in_order, nothing_left
from data_pipeline.tables import (
    TABLE_SUFFIXES,
    Places,
    Table,
    contradicts,
    find_columns,
    labelled_by,
    read_table,
)

_NO_LABELS = ("submission", "sample")
"""What tables are called that show how to hand in guesses."""
_MOST_TABLES = 20
_COVERED = 0.5
"""Share of the images that a table beside them must list to be taken for theirs."""


class ImageFiles:
    """Files in a folder, with classes as the folder says (`find_layout`) or a table in it."""

    kind = "folder"
    mirror_safe = True
    one_size = False
    files_are_images = True

    def __init__(self, name: str, images: str | None = None) -> None:
        self.name, self.images = name, images

    @cached_property
    def files(self) -> Files:
        """Where the files lie."""
        return DiskFiles(Path(self.name))

    def is_there(self) -> bool:
        """See `Source`."""
        return Path(self.name).is_dir()

    def find(
        self, labelling: Labelling, progress: Progress | None = None, keep: Keep | None = None
    ) -> Found:
        """See `Source`."""
        contents = self.files.list()
        kept = tuple(path for path in contents.candidates if not labelling.excludes(path))
        if excluded := sorted(set(contents.candidates) - set(kept)):
            more = {**contents.left_out, "excluded": tuple(excluded)}
            contents = replace(contents, candidates=kept, left_out=more)
        if not contents.candidates:
            counts = {why.replace("_", " "): len(paths) for why, paths in contents.left_out.items()}
            left = ", ".join(f"{why} ({count})" for why, count in counts.items())
            linked = "outside_link" in contents.left_out
            raise DataError(
                f"A folder of images must hold images. Received: {self.name!r}, with none "
                f"({sum(counts.values())} other files or folders in it were left out: "
                f"{left or 'it is empty'}). "
                + (
                    "Links to folders are not followed; pass the folder itself, or link its files."
                    if linked
                    else "Check the path."
                )
            )
        layout, also = self._layout(contents, labelling)
        layout, rare = _without(layout, labelling)
        facts = inspect_files(self.files, (row.path for row in layout.labelled), progress, keep)
        known = contents.left_out.get("not_an_image", ())
        left_out = {
            **contents.left_out,
            "not_an_image": tuple(path for path in known if path not in also),
        }
        examples = tuple(
            Example(
                path=row.path,
                sha256=found.sha256,
                label=row.label,
                part=row.part,
                pixels=found.pixels,
                group=row.group,
                thumbnail=found.thumbnail,
            )
            for row, found in zip(layout.labelled, facts, strict=True)
            if not found.problem
        )
        return Found(
            name=self.name,
            layout=layout,
            classes=in_order({row.label for row in layout.labelled}),
            examples=examples,
            facts=facts,
            left_out=left_out,
            imageless=contents.imageless,
            rare=rare,
            also=also,
        )

    def _layout(self, contents: Contents, asked: Labelling) -> tuple[Layout, dict[str, str]]:
        """Finds the layout, by a table that lies in the folder where the folder itself has none."""
        names = [
            path
            for path in contents.left_out.get("not_an_image", ())
            if path.lower().endswith(TABLE_SUFFIXES)
        ]
        problem: DataError | None = None
        layout: Layout | None = None
        if not asked.names_columns:
            try:
                layout = find_layout(contents.candidates, asked, names)
            except DataError as error:
                problem = error
            chosen = asked.class_pattern or asked.class_level or asked.group_level
            folders = layout and layout.name.endswith("class_folders")
            if layout and (chosen or (folders and len({r.label for r in layout.labelled}) > 1)):
                if not chosen:
                    self._refuse_contradiction(names, layout)
                return layout, {}
            if problem and chosen:
                raise problem
        tables = self._tables(names, contents, asked)
        if tables:
            labelled = labelled_by(tables, contents.candidates, asked)
            return labelled, {table.name: self._hash(table.name) for table in tables}
        if layout:
            return layout, {}
        if problem and names:
            raise DataError(
                f"{problem} The table {names[0]!r} was not used: it lists too few of the images, "
                "or it is not clear which of its columns is the class. To use it, pass it as "
                "--data, with --label-column."
            ) from problem
        raise problem or DataError(
            "--images and the names of columns are for a table of labels. "
            f"Received: {self.name!r}, with no table that fits. Pass the table as --data."
        )

    def _refuse_contradiction(self, names: Sequence[str], layout: Layout) -> None:
        """Refuses folders that may be cameras, sites or patients: a table says other classes."""
        for name in _likely_tables(names):
            try:
                column = contradicts(read_table(self.files.read(name), name), layout.labelled)
            except (DataError, OSError):
                continue
            if column:
                classes = sorted({row.label for row in layout.labelled})
                some = ", ".join(map(repr, classes[:3])) + " …" * (len(classes) > 3)
                raise DataError(
                    "Folders and a table beside them must give the images the same classes. "
                    f"Received: the folders {some} and other classes in the column {column!r} of "
                    f"{name!r}. Pass the table as --data, and this folder as --images; if the "
                    "folders are the classes: --class-level 1."
                )

    def _tables(self, names: Sequence[str], contents: Contents, asked: Labelling) -> list[Table]:
        """The tables in the folder that label its images: one, or one for each part."""
        fitting = []
        for name in _likely_tables(names):
            stem = PurePosixPath(name).stem.lower()
            try:
                table = read_table(self.files.read(name), name)
                places = Places(contents.candidates, stem)
                columns = find_columns(table, places, asked)
            except (DataError, OSError):
                if asked.names_columns and len(names) == 1:
                    raise
                continue
            listed = {places.find(v) for v in table.columns[columns.file] if v} - {None}
            fitting.append((replace(table, part=_part_of_table(stem)), listed))
        by_part = {table.part: (table, listed) for table, listed in reversed(fitting) if table.part}
        if "train" in by_part and len(by_part) > 1:
            return [table for table, _ in by_part.values()]
        for table, listed in fitting:
            rest = [
                path
                for path in contents.candidates
                if path in listed or not any(part_of(p) == "test" for p in path.split("/"))
            ]
            if table.part in (None, "train") and len(listed) >= _COVERED * len(rest):
                return [replace(table, part=None)]
        return []

    def _hash(self, path: str) -> str:
        return hashlib.sha256(self.files.read(path)).hexdigest()

    def read(self, path: str, reading: Reading) -> Image.Image:
        """See `Source`."""
        return read_content(lambda: self.files.read(path), self.shown(path), reading)

    def shown(self, path: str) -> str:
        """See `Source`."""
        return str(Path(self.images or self.name, path))

    def sha256(self, path: str) -> str:
        """See `Source`."""
        return self._hash(path)

    def shorter_sides_px(self, paths: Sequence[str]) -> list[int]:
        """See `Source`."""
        sides = []
        for path in paths:
            content = self.files.read(path)
            image, _ = open_image(io.BytesIO(content), len(content))
            sides.append(min(image.size))
        return sides

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """See `Source`."""
        return {**self.files.watched(), **{name: Path(self.name, name) for name in also}}


class LabelTable(ImageFiles):
    """Files that a table lists, which may lie in another folder than it does."""

    kind = "table"

    @cached_property
    def files(self) -> Files:
        """Where the images lie."""
        return DiskFiles(Path(self.images or Path(self.name).parent))

    def is_there(self) -> bool:
        """See `Source`."""
        return Path(self.images or Path(self.name).parent).is_dir()

    def _layout(self, contents: Contents, asked: Labelling) -> tuple[Layout, dict[str, str]]:
        path = Path(self.name)
        table = read_table(path.read_bytes(), path.name)
        layout = labelled_by([table], contents.candidates, asked)
        return layout, {path.name: file_sha256(path)}

    def shown(self, path: str) -> str:
        """See `Source`."""
        return str(Path(self.images or Path(self.name).parent, path))

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """See `Source`."""
        return {**self.files.watched(), Path(self.name).name: Path(self.name)}


class ZipArchive(ImageFiles):
    """Image files in a zip archive, which is read in place."""

    kind = "zip"
    files_are_images = False

    @cached_property
    def files(self) -> Files:
        """Where the files lie."""
        return ZipFiles(Path(self.name))

    def is_there(self) -> bool:
        """See `Source`."""
        return Path(self.name).is_file()

    def _layout(self, contents: Contents, asked: Labelling) -> tuple[Layout, dict[str, str]]:
        layout, _ = super()._layout(contents, asked)
        return layout, {Path(self.name).name: file_sha256(Path(self.name))}

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """See `Source`."""
        return self.files.watched()


def _likely_tables(names: Sequence[str]) -> list[str]:
    """The tables that may hold labels, topmost first."""
    first = sorted(names, key=lambda name: (name.count("/"), name))[:_MOST_TABLES]
    return [n for n in first if not any(w in PurePosixPath(n).stem.lower() for w in _NO_LABELS)]


def _part_of_table(stem: str) -> Split | None:
    """The part that a table's name stands for: `train`, `train_labels`, `labels_test`."""
    pieces = [piece for piece in stem.replace("-", "_").split("_") if piece]
    return part_of(stem) or next((part for p in pieces if (part := part_of(p))), None)


def _without(layout: Layout, asked: Labelling) -> tuple[Layout, dict[str, int]]:
    """Leaves out the classes that are named or too rare."""
    counts = Counter(row.label for row in layout.labelled)
    rare = {label: n for label, n in counts.items() if n < asked.min_class_images}
    rows = tuple(
        replace(
            row, part="train" if asked.draw_validation and row.part == "validation" else row.part
        )
        for row in layout.labelled
        if row.label not in rare and not asked.excludes_class(row.label)
    )
    if not rows:
        raise nothing_left(asked, counts)
    return replace(layout, labelled=rows), rare
