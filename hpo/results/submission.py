"""Guesses in the form that a competition asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data_pipeline.errors import DataError
from data_pipeline.tables import Places, read_table


class Submission:
    """A table to be filled in, such as a competition's `sample_submission.csv`.

    Its first column names images. A second one takes the class; several, each called after a class,
    take its probability.

    Attributes:
        head: Names of the columns.
        ids: The first column.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = read_table(path.read_bytes(), str(path))
        except OSError as error:
            raise DataError(
                "--submission must be a table that can be read. "
                f"Received: {path} ({error.strerror}). Check the path."
            ) from error
        self.head = list(table.columns)
        self.ids = list(table.columns[self.head[0]])

    def files(self, found: Sequence[Path]) -> dict[str, Path]:
        """Returns id to the image that it names.

        Raises:
            DataError: One names no image.
        """
        places = Places([str(path) for path in found], "test")
        named = {each: places.find(each) for each in self.ids}
        missing = [each for each, path in named.items() if path is None]
        if missing:
            raise DataError(
                "Every line of --submission must name an image. "
                f"Received: {missing[0]!r}, and {len(missing) - 1:,} others, which are not among "
                f"the {len(found):,} images. Name the folder that holds them."
            )
        return {each: Path(path) for each, path in named.items() if path is not None}

    def lines(self, guesses: Mapping[str, Mapping[str, float]]) -> Iterator[list[str]]:
        """Yields the filled lines, the first one with the names of the columns.

        Args:
            guesses: Id to class to probability; ids of files that cannot be read are missing.

        Raises:
            DataError: The columns are no classes of the model.
        """
        columns = self.head[1:]
        classes = next(iter(guesses.values()), {})
        if len(columns) > 1 and not set(columns) <= set(classes):
            raise DataError(
                "The columns of --submission must be one for the class, or the model's classes. "
                f"Received: {', '.join(columns)}; the model has {', '.join(classes)}. Rename them."
            )
        yield self.head
        for each in self.ids:
            found = guesses.get(each)
            if found is None:
                continue
            if len(columns) > 1:
                yield [each, *(f"{found[name]:.6f}" for name in columns)]
            else:
                yield [each, max(found, key=lambda name: found[name])]
