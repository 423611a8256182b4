"""Tables of labels: which column holds the files, the classes, the parts and the groups."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.layouts import Labelled, Layout, unified
from data_pipeline.parts import Split, part_of

TABLE_SUFFIXES = (".csv", ".tsv")

# fmt: off
LABEL_NAMES = (
    "label", "labels", "class", "classes", "class_name", "classname", "class_id", "classid",
    "category", "category_name", "category_id", "target", "species", "breed", "diagnosis", "dx",
    "type", "finding", "tag", "y", "라벨", "클래스", "분류",
)
_SPLIT_NAMES = ("split", "set", "subset", "part", "partition", "usage", "data_split", "구분")
_GROUP_NAMES = (
    "group", "group_id", "patient", "patient_id", "patientid", "subject", "subject_id", "sender",
    "sender_id", "lesion_id", "person_id", "case_id", "study_id", "animal_id", "individual_id",
    "video_id", "sequence_id", "burst_id", "환자", "환자번호",
)
# fmt: on
"""What such columns are called, the likeliest first."""

_MOST_MISSING = 0.5
"""Share of a table's rows without an image from which on it is not this folder's table."""


_AGREE = 0.9
"""Share of the images whose folder must fit a table's class; some rows of any table are wrong."""


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        name: Its path, for messages.
        columns: Column name to its values, all of equal lengths, stripped of blanks.
        part: The part of the split that the table is of, where there is one for each; or None.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    part: Split | None = None


def read_table(content: bytes, name: str) -> Table:
    """Reads a table with a first line of column names.

    Columns are divided by commas, tabs, semicolons or bars.

    Raises:
        DataError: It is no such table.
    """
    rule = "A table of labels is text with a line of column names and a line for each image"
    for encoding in ("utf-8-sig", "utf-16", "cp949"):
        if encoding == "utf-16" and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            text = content.decode(encoding)
            break
        except UnicodeError:
            continue
    else:
        raise DataError(f"{rule}. Received: {name!r}, which is no UTF-8 text. Save it as UTF-8.")
    first = text.split("\n", 1)[0]
    delimiter = max(",\t;|", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise DataError(f"{rule}. Received: {name!r} ({error}). Save it as CSV.") from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise DataError(
            f"{rule}. Received: {name!r}, with {max(0, len(rows) - 1)} lines below the first and "
            f"{len(rows[0]) if rows else 0} columns. Save it as CSV, with at least a column of "
            "files and one of classes."
        )
    head = [column.strip() for column in rows[0]]
    twice = [column for column, count in Counter(head).items() if count > 1]
    wrong = next((i for i, row in enumerate(rows[1:], 2) if len(row) != len(head)), None)
    if wrong or twice:
        found = f"line {wrong} has another number" if wrong else f"{twice[0]!r} twice"
        raise DataError(
            f"Every line of a table has one value for each column. Received: {name!r}: {found}. "
            "Mend it; a value that holds the dividing sign stands in quotes."
        )
    values = zip(*rows[1:], strict=True)
    return Table(
        name,
        {column: [v.strip() for v in each] for column, each in zip(head, values, strict=True)},
    )


class Places:
    """Finds the image that a table's value names: a path, a name, or a name without ending."""

    def __init__(self, paths: Sequence[str], hint: str = "") -> None:
        self._hint = part_of(hint) if hint else None
        self._by_tail: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            pieces = PurePosixPath(path).parts
            for begin in range(len(pieces)):
                tail = "/".join(pieces[begin:])
                self._by_tail[tail].append(path)
                self._by_tail[tail.removesuffix(PurePosixPath(tail).suffix)].append(path)

    def find(self, value: str) -> str | None:
        """Returns the path, or None where there is none.

        Raises:
            DataError: There are several.
        """
        pieces = [piece for piece in value.replace("\\", "/").split("/") if piece not in ("", ".")]
        for begin in range(len(pieces)):
            found = set(self._by_tail.get("/".join(pieces[begin:]), ()))
            if len(found) > 1:
                found = self._preferred(found, pieces)
            if len(found) > 1:
                first, second, *_ = sorted(found)
                raise DataError(
                    "A table must say which image it means. "
                    f"Received: {value!r}, which may be {first!r} or {second!r}. Write the folder "
                    "before the name, or pass the folder of the images: --images FOLDER."
                )
            if found:
                return found.pop()
        return None

    def _preferred(self, found: set[str], pieces: Sequence[str]) -> set[str]:
        """Of several those of exactly that name, or in the folder of the table's part."""
        exact = {path for path in found if PurePosixPath(path).name == pieces[-1]}
        found = exact or found
        wanted = self._hint or "train"
        there = {
            path for path in found if any(part_of(p) == wanted for p in PurePosixPath(path).parts)
        }
        return there or found


def contradicts(table: Table, labelled: Sequence[Labelled]) -> str | None:
    """Says which column gives the images other classes than they have.

    The column must be called like one of classes. Finer classes, such as the breeds in `cat` and
    `dog`, are no contradiction; a class that is spread over several of theirs is one.

    Args:
        table: A table with a row for each image.
        labelled: The images with the classes that their folders give them.

    Returns:
        Its name, or None if there is no such column.
    """
    column = _called(table, LABEL_NAMES, set())
    places = Places([row.path for row in labelled], PurePosixPath(table.name).stem)
    if column is None:
        return None
    folder_of = {row.path: row.label for row in labelled}
    folders: dict[str, Counter[str]] = defaultdict(Counter)
    for file, label in zip(
        table.columns[_file_column(table, places)], table.columns[column], strict=True
    ):
        if label and (path := places.find(file)):
            folders[label][folder_of[path]] += 1
    seen = sum(each.total() for each in folders.values())
    agree = sum(max(each.values()) for each in folders.values())
    listed = seen >= _MOST_MISSING * len(labelled)
    return column if listed and agree < _AGREE * seen else None


@dataclass(frozen=True)
class Columns:
    """The columns that were named or found.

    Attributes:
        file: With the files.
        labels: With the classes; several are one-hot, each named after its class.
        split: With the parts, or None.
        group: With what must stay together, or None.
    """

    file: str
    labels: tuple[str, ...]
    split: str | None
    group: str | None


def find_columns(table: Table, places: Places, asked: Labelling) -> Columns:
    """Finds the columns of a table that were not named.

    Raises:
        DataError: A named column is not there, or one cannot be found.
    """
    named = {
        "--file-column": asked.file_column,
        "--label-column": asked.label_column,
        "--split-column": asked.split_column,
        "--group-column": asked.group_column,
    }
    for option, column in named.items():
        if column is not None and column not in table.columns:
            near = get_close_matches(column.lower(), [c.lower() for c in table.columns], n=1)
            real = [c for c in table.columns if near and c.lower() == near[0]]
            hint = f"Did you mean {real[0]!r}? " if real else ""
            raise DataError(
                f"{option} must be a column of the table. Received: {column!r}. {hint}"
                f"{table.name!r} has: {', '.join(table.columns)}."
            )
    file = asked.file_column or _file_column(table, places)
    split = asked.split_column or _called(table, _SPLIT_NAMES, {file, asked.label_column})
    if split and asked.split_column is None and not all(map(part_of, table.columns[split])):
        split = None
    taken = {file, split, asked.label_column}
    group = asked.group_column or _called(table, _GROUP_NAMES, taken)
    labels = (
        (asked.label_column,)
        if asked.label_column
        else _label_columns(table, {file, split, group} - {None})
    )
    return Columns(file, labels, split, group)


def _file_column(table: Table, places: Places) -> str:
    found = {
        column: sum(_is_there(places, value) for value in values)
        for column, values in table.columns.items()
    }
    best = max(found, key=lambda column: found[column])
    if not found[best]:
        example = {column: values[0] for column, values in table.columns.items()}
        raise DataError(
            "A table of labels must have a column of files that are there. "
            f"Received: {table.name!r}, with {_row(example)}; no such image was found. "
            "Pass the folder of the images: --images FOLDER."
        )
    return best


def _is_there(places: Places, value: str) -> bool:
    try:
        return bool(value) and places.find(value) is not None
    except DataError:
        return True


def _called(table: Table, names: Sequence[str], taken: set[str | None]) -> str | None:
    by_name = {column.lower().replace(" ", "_"): column for column in table.columns}
    return next((by_name[n] for n in names if n in by_name and by_name[n] not in taken), None)


def _label_columns(table: Table, taken: set[str | None]) -> tuple[str, ...]:
    if column := _called(table, LABEL_NAMES, taken):
        return (column,)
    left = [column for column in table.columns if column not in taken]
    marks = [c for c in left if set(table.columns[c]) <= {"0", "1", "0.0", "1.0"}]
    if len(marks) > 1:
        return tuple(marks)
    # A class is found in several rows; numbers with a point are measurements.
    likely = [
        column
        for column in left
        if 1 < len(set(table.columns[column])) <= max(2, len(table.columns[column]) // 2)
        and not any(re.fullmatch(r"-?\d+\.\d+", value) for value in table.columns[column])
    ]
    if len(likely) != 1:
        raise DataError(
            "A table of labels must have one column that can be the class. "
            f"Received: {table.name!r}, with {', '.join(likely or left) or 'no other column'}. "
            "Name it: --label-column NAME."
        )
    return (likely[0],)


def _row(values: Mapping[str, str]) -> str:
    return ", ".join(f"{column}={value!r}" for column, value in list(values.items())[:4])


def labelled_by(tables: Sequence[Table], paths: Sequence[str], asked: Labelling) -> Layout:
    """Returns what tables say about images.

    Args:
        tables: One, or one for each part of the split.
        paths: Every image, relative to the folder of the images.
        asked: What the user says.

    Raises:
        DataError: They do not fit the images or contradict themselves.
    """
    rows: dict[str, Labelled] = {}
    missing: list[str] = []
    listed = 0
    for table in tables:
        places = Places(paths, PurePosixPath(table.name).stem)
        columns = find_columns(table, places, asked)
        for index, value in enumerate(table.columns[columns.file]):
            label = _label(table, columns.labels, index)
            if not value or not label:
                continue
            listed += 1
            path = places.find(value)
            if path is None:
                missing.append(value)
                continue
            part = _part(table, columns.split, index) if columns.split else table.part
            group = table.columns[columns.group][index] if columns.group else None
            group = asked.group_of(path) if asked.group_pattern else group or None
            row = Labelled(path, label, part, group)
            if (other := rows.setdefault(path, row)) != row:
                what = "parts" if other.label == label and other.part != part else "classes"
                if other.label == label and other.part == part:
                    what = "groups"
                raise DataError(
                    "A table must give each image one class, part and group. "
                    f"Received: {value!r} in {table.name!r}, with two {what}. "
                    "Keep one of its rows; images of several classes at once are not supported."
                )
    if not rows or len(missing) > _MOST_MISSING * listed:
        raise DataError(
            "The images that a table lists must be there. "
            f"Received: {tables[0].name!r}, of whose {listed:,} labelled rows {len(missing):,} "
            f"name no image{_example(missing)}. Pass the folder of the images: --images FOLDER."
        )
    grouped = ""
    if asked.group_column is None and asked.group_pattern is None:
        column = find_columns(tables[0], places, asked).group
        grouped = f"the column {column!r}" if column else ""
    labelled, respelled = unified(rows.values())
    unlisted = set(paths) - set(rows)
    # A competition's test images have no labels: the table of the training part does not list them.
    loose = {p for p in unlisted if any(part_of(piece) == "test" for piece in p.split("/"))}
    return Layout(
        name="table",
        labelled=tuple(sorted(labelled, key=lambda row: row.path)),
        unplaced=tuple(sorted(unlisted - loose)),
        unlabelled=tuple(sorted(loose)),
        missing=tuple(missing),
        grouped=grouped,
        respelled=respelled,
    )


def _example(missing: Sequence[str]) -> str:
    return f", for instance {missing[0]!r}" if missing else ""


def _label(table: Table, columns: Sequence[str], index: int) -> str:
    """The class in a row; empty where there is none."""
    if len(columns) == 1:
        value = table.columns[columns[0]][index]
        return re.sub(r"^(-?\d+)\.0+$", r"\1", value)  # pandas writes labels with gaps as 1.0
    marked = [column for column in columns if float(table.columns[column][index] or 0) == 1]
    if len(marked) > 1:
        raise DataError(
            "Each image has one class. "
            f"Received: row {index + 1} of {table.name!r}, marked in {' and '.join(marked[:3])}. "
            "Images of several classes at once are not supported; name one column: --label-column."
        )
    return marked[0] if marked else ""


def _part(table: Table, column: str, index: int) -> Split:
    value = table.columns[column][index]
    part = part_of(value)
    if part is None:
        raise DataError(
            "The parts of a split are called train, validation and test, or alike. "
            f"Received: {value!r} in the column {column!r} of {table.name!r}. Rename it."
        )
    return part
