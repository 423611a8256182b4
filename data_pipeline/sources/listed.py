"""Tables of files that a program holds: data frames, and what Keras lists from folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from data_pipeline.errors import DataError
from data_pipeline.sources.written import write_table


def is_frame(data: object) -> bool:
    """Whether it is a data frame, of pandas or of another library that is like it."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def of_frame(frame: Any, folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a data frame with a column of files.

    Args:
        frame: The data frame.
        folder: Where it is written.
        given: The other settings, of which `images` and `file_column` matter.

    Raises:
        DataError: No column names files that are there.
    """
    columns = {str(name): [_text(value) for value in frame[name]] for name in frame.columns}
    if given.get("images"):
        return {"data": write_table(columns, folder)}
    found = {name: [_file(value) for value in values] for name, values in columns.items()}
    named = given.get("file_column")
    counts = {name: sum(map(bool, files)) for name, files in found.items()}
    column = named if named in counts else max(counts, key=lambda name: counts[name], default="")
    if not counts.get(column):
        raise DataError(
            "A data frame must have a column of image files that are there. Received: the columns "
            f"{', '.join(columns) or 'none'}; none names a file in {str(Path.cwd())!r}. "
            "Pass the folder of the files: images='FOLDER'."
        )
    root = _common_folder(file for file in found[column] if file)
    files = [os.path.relpath(each, root) if each else columns[column][row]
             for row, each in enumerate(found[column])]  # fmt: skip
    return {
        "data": write_table(columns | {column: files}, folder),
        "images": str(root),
        "file_column": column,
    }


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)


def _file(value: str) -> Path | None:
    try:
        path = Path(value).expanduser().absolute()
        return path if value and path.is_file() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _common_folder(files: Iterable[Path]) -> Path:
    folders = {str(file.parent) for file in files}
    try:
        root = Path(os.path.commonpath(folders))
    except ValueError:  # on Windows: on several drives
        root = Path(os.sep)
    if root == Path(root.anchor):
        some = ", ".join(sorted(folders)[:3])
        raise DataError(
            "The images of a data set must lie below one folder. "
            f"Received: files in {some}. Copy or link them into one folder."
        )
    return root


def lists_files(data: object) -> bool:
    """Whether it knows its files, as `image_dataset_from_directory` and its predecessor do."""
    return bool(_files_of(data)) and bool(classes_of(data))


def _files_of(data: object) -> list[str]:
    return list(getattr(data, "file_paths", None) or getattr(data, "filepaths", None) or [])


def classes_of(data: object) -> list[str]:
    """Returns the names of the classes that a data set of Keras knows; none where it does not."""
    return list(getattr(data, "class_names", None) or getattr(data, "class_indices", None) or [])


def of_listed_files(sets: Sequence[Any], parts: Sequence[str], folder: Path) -> dict[str, Any]:
    """Returns the settings of a table of the files themselves, in their own size.

    Args:
        sets: Data sets of Keras, one for each part.
        parts: What the parts are called; of one set it does not matter.
        folder: Where the table is written.

    Raises:
        DataError: A file does not lie in a folder of its class.
    """
    files = [Path(file).absolute() for each in sets for file in _files_of(each)]
    labels = [_class_of(PurePath(file), classes_of(each)) for each in sets
              for file in _files_of(each)]  # fmt: skip
    root = _common_folder(files)
    columns = {"file": [os.path.relpath(file, root) for file in files], "label": labels}
    if len(sets) > 1:
        columns["split"] = [part for part, each in zip(parts, sets, strict=True)
                            for _ in _files_of(each)]  # fmt: skip
    return {
        "data": write_table(columns, folder),
        "images": str(root),
        "file_column": "file",
        "label_column": "label",
    }


def _class_of(file: PurePath, classes: Sequence[str]) -> str:
    """The class of a file is its nearest folder that is called like one."""
    found = next((folder.name for folder in file.parents if folder.name in classes), None)
    if found is None:
        raise DataError(
            "The files of a Keras data set must lie in the folders of their classes. "
            f"Received: {str(file)!r}; the classes are {', '.join(classes[:5])}. Pass the folder, "
            "or a data frame with a column of files and one of labels."
        )
    return found
