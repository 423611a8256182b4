"""`hpo predict`: classifies images with an exported model."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpo.cli.options import layers_option
from hpo.results.tables import printable, progress_bar

if TYPE_CHECKING:
    from hpo.results.classify import Answer
    from hpo.results.image_files import FoundImages
    from hpo.results.prediction_formats import Row
    from hpo.results.submission import Submission
    from hpo.runtimes.model import Model

    Load = Callable[[int], Model]
    """Loads the model for so many threads."""

MOST_NAMED = 20
"""Files that could not be read and are named on the terminal."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to a file that ends in .csv, .json, .jsonl or .parquet.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "csv", "json", "jsonl", "parquet"]),
    help="[default: what --output ends in, or table]",
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
    "--left-out",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="List every file that was left out, and why.",
)
@layers_option
def predict(
    model: Path,
    images: tuple[Path, ...],
    output: Path | None,
    layout: str | None,
    top: int,
    submission: Path | None,
    left_out: Path | None,
    trusts: bool,
) -> None:
    """Classify images with an exported model of any format.

    PATH is an image, or a folder that is searched with all its folders. Files that cannot be read
    are listed at the end, and the exit code is then 1.

    \b
    Examples:
      hpo predict model.onnx cat.jpg
      hpo predict model.onnx photos/ --output classes.csv --left-out left_out.csv
      hpo predict model.keras photos/ --top 1 --format jsonl
      hpo predict model.keras test/ --submission sample_submission.csv > mine.csv
    """
    from hpo.results.image_files import find_images
    from hpo.results.model_file import open_model
    from hpo.results.prediction_formats import form_of, write
    from hpo.results.submission import Submission
    from hpo.runtimes.table import runtime_of

    form = form_of(layout, output)
    runtime_of(model)  # a wrong name is said before a large folder is searched
    found = find_images(images)
    if said := found.left_out():
        click.echo(printable(said), err=True)
    unread: list[Answer] = []

    def load(callers: int) -> Model:
        return open_model(model, callers, trusts=trusts)

    if submission:
        _write_submission(Submission(submission), found.files, load, unread)
    else:
        # A bar among lines of results would tear both.
        bar = output is not None or form.collects or not sys.stdout.isatty()
        write(_classified(load, found.files, top, unread, bar=bar), form, output)
    if left_out:
        _list_left_out(left_out, found, unread)
    if unread:
        _name_unread(unread, len(found.files))
        raise SystemExit(1)


def _classified(
    load: Load, files: Sequence[Path], top: int | None, unread: list[Answer], *, bar: bool = True
) -> Iterator[Row]:
    """Yields the files that can be read, in their order; notes the others."""
    import numpy as np

    from data_pipeline.system import processors
    from hpo.results.classify import classify

    threads = max(1, min(processors(), len(files)))
    loaded = load(threads)
    names, reading = loaded.classes, loaded.metadata.reading
    with progress_bar("Classifying images", wanted=bar and len(files) > 1) as progress:
        for done, answer in enumerate(classify(loaded, files, reading, threads), start=1):
            progress(done, len(files))
            if answer.probabilities is None:
                unread.append(answer)
                continue
            likeliest = np.argsort(-answer.probabilities, kind="stable")[:top]
            yield answer.file, [(names[i], float(answer.probabilities[i])) for i in likeliest]


def _write_submission(
    submission: Submission, files: Sequence[Path], load: Load, unread: list[Answer]
) -> None:
    ids = submission.files(files)
    wanted = list(dict.fromkeys(ids.values()))
    found = {file: dict(guesses) for file, guesses in _classified(load, wanted, None, unread)}
    guesses = {each: found[file] for each, file in ids.items() if file in found}
    csv.writer(sys.stdout, lineterminator="\n").writerows(submission.lines(guesses))


def _list_left_out(path: Path, found: FoundImages, unread: Sequence[Answer]) -> None:
    from hpo.results.image_files import WHY
    from hpo.results.prediction_formats import replacing, text_of

    passed_over = [(file, WHY[why]) for why, files in found.passed_over.items() for file in files]
    rows = [*passed_over, *((answer.file, answer.problem) for answer in unread)]
    with replacing(path, "--left-out") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows((text_of(file), why) for file, why in rows)


def _name_unread(unread: Sequence[Answer], files: int) -> None:
    for answer in unread[:MOST_NAMED]:
        click.echo(printable(answer.problem), err=True)
    if (more := len(unread) - MOST_NAMED) > 0:
        click.echo(f"… and {more:,} more; --left-out FILE.csv lists all.", err=True)
    click.echo(f"{len(unread):,} of {files:,} files could not be read.", err=True)
