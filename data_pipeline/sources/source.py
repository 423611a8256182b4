"""What every source of labelled images can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.folder import Reason
from data_pipeline.inspect_image import FileFacts, Keep, Progress
from data_pipeline.labelling import Labelling
from data_pipeline.layouts import Layout
from data_pipeline.reading import Reading


@dataclass(frozen=True)
class Found:
    """A data set as it was found.

    Attributes:
        name: For messages: the path, or the built-in name.
        layout: Which file has which class; of arrays and built-in sets with the name alone.
        classes: Every class that was found, whether or not its images can be used, in order.
        examples: The images that can be used.
        facts: What was found in each labelled file; empty for a built-in data set.
        left_out: Files and folders that were not looked into, by reason.
        imageless: Folders without images.
        rare: Classes that were left out because they have too few images, with their number.
        also: Files beside the images that the classes were read from, to their hash.
    """

    name: str
    layout: Layout
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    facts: tuple[FileFacts, ...] = ()
    left_out: Mapping[Reason, tuple[str, ...]] = field(default_factory=dict)
    imageless: tuple[str, ...] = ()
    rare: Mapping[str, int] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)

    def without(self, paths: Sequence[str]) -> Found:
        """Returns the same where these images are left out, as --exclude asks.

        Raises:
            DataError: One is not in the data set.
        """
        if not paths:
            return self
        if unknown := sorted({*paths} - {example.path for example in self.examples}):
            more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
            raise DataError(
                "Images that are left out must be in the data set. "
                f"Received: {unknown[0]!r}{more}, which {self.name!r} does not hold. Use the list "
                "of suspects that `hpo doctor --suspects` made of these images."
            )
        excluded = (*self.left_out.get("excluded", ()), *paths)
        return replace(
            self,
            examples=tuple(e for e in self.examples if e.path not in {*paths}),
            left_out={**self.left_out, "excluded": tuple(sorted(excluded))},
        )


class Source(Protocol):
    """A source of labelled images; one implementation a kind, listed in `opening.SOURCES`.

    Attributes:
        kind: Its key in `SOURCES`.
        name: What a manifest remembers it by: an absolute path, or a built-in name.
        images: Folder of the images, absolute, where they lie elsewhere; else None.
        one_size: Whether all images are of one size, which is then theirs to be trained on.
        files_are_images: Whether each image is a file that is watched under its path.
    """

    kind: str
    name: str
    images: str | None
    one_size: bool
    files_are_images: bool

    @property
    def mirror_safe(self) -> bool:
        """Whether a mirrored image is still of its class."""

    def find(
        self, labelling: Labelling, progress: Progress | None = None, keep: Keep | None = None
    ) -> Found:
        """Lists, reads and labels all images.

        Args:
            labelling: What the user says about the classes.
            progress: Told after each image.
            keep: Given each image that can be used.

        Raises:
            DataError: The images cannot be read or told apart into classes.
        """

    def read(self, path: str, reading: Reading) -> Image.Image:
        """Returns one image, RGB, of its own size.

        Raises:
            DataError: It cannot be read.
        """

    def sha256(self, path: str) -> str:
        """Returns the hash of one image's file or row as it is now.

        Raises:
            OSError: It is not there.
        """

    def shorter_sides_px(self, paths: Sequence[str]) -> list[int]:
        """Returns the shorter sides of images as they are stored, in pixels."""

    def shown(self, path: str) -> str:
        """Returns what an image is called in messages."""

    def is_there(self) -> bool:
        """Whether it can be read at all."""

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """Returns name to place of the files that must not change; none where nothing can.

        Args:
            also: Names of files that classes were read from (`Found.also`).
        """


def in_order(classes: set[str]) -> tuple[str, ...]:
    """Sorts names of classes; numbers by their value."""
    if all(name.isascii() and name.isdigit() for name in classes):
        return tuple(sorted(classes, key=lambda name: (int(name), name)))
    return tuple(sorted(classes))


def nothing_left(asked: Labelling, counts: Mapping[str, int]) -> DataError:
    """Returns the error that says that every class was left out.

    Args:
        asked: What the user says.
        counts: Class to its number of images.
    """
    return DataError(
        "Some classes must be left. Received: "
        f"--exclude {' '.join(asked.exclude) or 'nothing'} and --min-class-images "
        f"{asked.min_class_images}, with {len(counts)} classes of at most "
        f"{max(counts.values(), default=0)} images. Leave out fewer."
    )
