"""`hpo predict`: classifies images with an exported model."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpo.results.tables import Column, printable, show

if TYPE_CHECKING:
    from hpo.results.submission import Submission

Guess = tuple[str, float]
"""A class and its probability."""
Row = tuple[Path, list[Guess]]
"""A file and its guesses, likeliest first."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="K",
    help="Show the K most likely classes.",
)
@click.option(
    "--submission",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="Fill in a competition's sample submission and print it as CSV.",
)
@click.option(
    "--trust", "trusts", is_flag=True, help="Run the Python file with the layers beside the model."
)
def predict(
    model: Path,
    images: tuple[Path, ...],
    layout: str,
    top: int,
    submission: Path | None,
    trusts: bool,
) -> None:
    """Classify images with a model exported by `hpo best --export`.

    PATH is an image, or a folder that is searched with all its folders. Files that cannot be read
    are listed at the end, and the exit code is then 1.

    \b
    Examples:
      hpo predict model.keras cat.jpg
      hpo predict model.keras photos/ --format csv > classes.csv
      hpo predict model.keras photos/ --top 1 --format json
      hpo predict model.keras test/ --submission sample_submission.csv > mine.csv
    """
    from hpo.results.image_files import find_images
    from hpo.results.layers_file import read_layers
    from hpo.results.submission import Submission

    found = find_images(images)
    files = found.files
    if left_out := found.left_out():
        click.echo(left_out, err=True)
    problems: list[str] = []
    layers = read_layers(model, trusts=trusts)
    if submission:
        _write_submission(Submission(submission), files, model, layers, problems)
    else:
        WRITERS[layout](_classified(model, layers, files, top, problems))
    for problem in problems:
        click.echo(printable(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} of {len(files)} files could not be read.", err=True)
        raise SystemExit(1)


def _write_submission(
    submission: Submission,
    files: Sequence[Path],
    model: Path,
    layers: str | None,
    problems: list[str],
) -> None:
    ids = submission.files(files)
    wanted = list(dict.fromkeys(ids.values()))
    rows = _classified(model, layers, wanted, None, problems)
    found = {file: dict(guesses) for file, guesses in rows}
    guesses = {each: found[file] for each, file in ids.items() if file in found}
    csv.writer(sys.stdout, lineterminator="\n").writerows(submission.lines(guesses))


def _classified(
    model: Path,
    layers: str | None,
    files: Sequence[Path],
    top: int | None,
    problems: list[str],
) -> Iterator[Row]:
    """Yields the files that can be read, one image in memory at a time; notes the others."""
    from hpo.results.quiet import load_tensorflow

    load_tensorflow()

    import numpy as np

    from data_pipeline.errors import DataError
    from data_pipeline.images import read_image
    from data_pipeline.reading import read_reading
    from hpo.results.predictions import Classifier
    from models.export import load_model, reading_text

    loaded = load_model(model, layers)
    classifier, reading = Classifier(loaded), read_reading(reading_text(loaded))
    for file in files:
        try:
            image_hwc = np.asarray(read_image(file, reading))
        except DataError as error:
            problems.append(str(error))
            continue
        shares = classifier.image(image_hwc)
        likeliest = np.argsort(-shares, kind="stable")[:top]
        yield file, [(classifier.class_names[i], float(shares[i])) for i in likeliest]


def _write_table(rows: Iterable[Row]) -> None:
    known = list(rows)
    width = max((len(guesses) for _, guesses in known), default=0)
    pairs = [
        [Column("class" if i == 0 else "or"), Column("probability", ".4f")] for i in range(width)
    ]
    columns = [Column("file"), *(column for pair in pairs for column in pair)]
    show(
        columns,
        [[str(file), *(cell for guess in guesses for cell in guess)] for file, guesses in known],
    )


def _write_csv(rows: Iterable[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "rank", "class", "probability"])
    for file, guesses in rows:
        for rank, (name, share) in enumerate(guesses, start=1):
            writer.writerow([file, rank, name, f"{share:.6f}"])


def _write_json(rows: Iterable[Row]) -> None:
    listed: list[dict[str, Any]] = [
        {
            "file": str(file),
            "classes": [{"class": name, "probability": share} for name, share in guesses],
        }
        for file, guesses in rows
    ]
    click.echo(json.dumps(listed, indent=2))


WRITERS = {"table": _write_table, "csv": _write_csv, "json": _write_json}
