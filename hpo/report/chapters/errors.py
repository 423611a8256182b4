"""Chapter 3: where the best model is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hpo.report.blocks import (
    Block,
    Cell,
    Chapter,
    Column,
    Heading,
    Link,
    Matrix,
    Name,
    Phrase,
    Table,
    Text,
    Thumbnail,
    Thumbnails,
    say,
)
from hpo.report.facts import StudyFacts, Winner
from hpo.report.pictures import OF_A_KIND, SUREST
from hpo.results.judged import Judged, by_class
from hpo.results.slices import Slice, worse_slices

MOST_CLASSES = 25
"""Of more classes no matrix can be read; the most frequent confusions are listed instead."""
MOST_CONFUSIONS = 40

Cells = dict[tuple[int, int], list[int]]
"""True and given class to the images that are confused so, surest first."""


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns where the best model is wrong; None where it could not be asked."""
    if facts.winner is None:
        return None
    return Chapter("errors", tuple(_blocks(facts.winner)))


def _blocks(winner: Winner) -> Iterator[Block]:
    judged = winner.validation
    cells: Cells = defaultdict(list)
    for place in judged.surest_errors():
        cells[int(judged.labels[place]), int(judged.guesses[place])].append(place)
    yield Text(_summary(judged, cells), "lead")
    anchors = {cell: f"cell-{cell[0]}-{cell[1]}" for cell in cells}
    shown = {cell: anchors[cell] for cell in cells if _pictures(winner, cells[cell])}
    if len(judged.classes) <= MOST_CLASSES:
        yield _matrix(judged, shown)
    elif cells:
        yield _confusions(judged, cells, shown)
    for cell, anchor in shown.items():
        yield _gallery(winner, cell, cells[cell], anchor)
    yield Heading(say("errors.classes"))
    yield _classes(judged)
    if cells:
        yield Heading(say("errors.surest"))
        yield _surest(winner)
    yield Heading(say("errors.slices"))
    yield from _slices(winner)


def _summary(judged: Judged, cells: Cells) -> Phrase:
    wrong = int((~judged.right).sum())
    if not wrong:
        return say("errors.none", images=len(judged))
    (label, guess), most = max(cells.items(), key=lambda item: len(item[1]))
    return say(
        "errors.scattered" if len(most) == 1 < wrong else "errors.summary",
        count=wrong,
        images=len(judged),
        most=len(most),
        label=Name(judged.classes[label]),
        guess=Name(judged.classes[guess]),
    )


def _matrix(judged: Judged, shown: dict[tuple[int, int], str]) -> Matrix:
    counts = tuple(tuple(int(count) for count in row) for row in judged.confusion())
    caption = say("errors.matrix" if shown else "errors.matrix_bare", images=len(judged))
    return Matrix(caption, judged.classes, counts, shown)


def _confusions(judged: Judged, cells: Cells, shown: dict[tuple[int, int], str]) -> Table:
    ordered = sorted(cells.items(), key=lambda item: -len(item[1]))
    columns = [
        Column(say("errors.true")),
        Column(say("errors.given")),
        Column(say("errors.count"), "d"),
    ]
    rows: list[list[Cell]] = []
    for cell, places in ordered:
        label, guess = (Name(judged.classes[number]) for number in cell)
        count: Cell = len(places)
        rows.append([label, guess, Link(count, shown[cell]) if cell in shown else count])
    caption = say("errors.confusions", classes=len(judged.classes))
    return Table(caption, columns, rows, most=MOST_CONFUSIONS)


def _pictures(winner: Winner, places: list[int]) -> list[int]:
    judged = winner.validation
    return [place for place in places if judged.paths[place] in winner.pictures][:OF_A_KIND]


def _gallery(winner: Winner, cell: tuple[int, int], places: list[int], anchor: str) -> Thumbnails:
    judged = winner.validation
    shown = _pictures(winner, places)
    pictures = tuple(_thumbnail(winner, place, brief=True) for place in shown)
    label, guess = (Name(judged.classes[number]) for number in cell)
    caption = say("errors.gallery", label=label, guess=guess, count=len(places), shown=len(shown))
    return Thumbnails(caption, pictures, anchor)


def _surest(winner: Winner) -> Block:
    errors = winner.validation.surest_errors()[:SUREST]
    shown = [place for place in errors if winner.validation.paths[place] in winner.pictures]
    if not shown:
        return Text(say("errors.no_pictures"), "note")
    pictures = tuple(_thumbnail(winner, place) for place in shown)
    heat = any(picture.heat for picture in pictures)
    key = "errors.surest_caption" if heat else "errors.surest_bare"
    return Thumbnails(say(key, count=len(pictures)), pictures)


def _thumbnail(winner: Winner, place: int, *, brief: bool = False) -> Thumbnail:
    judged = winner.validation
    path = judged.paths[place]
    label, guess = (Name(judged.classes[int(of[place])]) for of in (judged.labels, judged.guesses))
    surety, of_label = (
        float(judged.surety[place]),
        float(judged.probabilities[place, judged.labels[place]]),
    )
    taken = say("errors.taken", guess=guess, share=surety)
    truth = say("errors.truth", label=label, share=of_label)
    return Thumbnail(
        jpeg=winner.pictures[path],
        alt=say("errors.alt", label=label, guess=guess),
        lines=(taken, Name(path)) if brief else (taken, truth, Name(path)),
        heat=None if brief else winner.heat.get(path),
    )


def _classes(judged: Judged) -> Table:
    columns = [
        Column(say("errors.class")),
        Column(say("errors.images"), ",d"),
        Column(say("errors.precision"), ".1%"),
        Column(say("errors.recall"), ".1%"),
        Column(say("errors.f1"), ".1%"),
    ]
    found = sorted(by_class(judged), key=lambda row: row.f1)
    rows: list[list[Cell]] = [
        [Name(row.name), row.images, row.precision, row.recall, row.f1] for row in found
    ]
    return Table(say("errors.classes_caption", images=len(judged)), columns, rows)


def _slices(winner: Winner) -> Iterator[Block]:
    found, tried = worse_slices(winner.validation, winner.traits)
    if not found:
        yield Text(say("errors.no_slices", count=tried))
        return
    columns = [
        Column(say("errors.slice")),
        Column(say("errors.images"), ",d"),
        Column(say("errors.wrong_here"), ".1%"),
        Column(say("errors.wrong_elsewhere"), ".1%"),
        Column(say("errors.chance"), ".2g"),
    ]
    rows: list[list[Cell]] = [
        [_slice(row), row.images, row.errors / row.images, row.elsewhere, row.p] for row in found
    ]
    yield Table(say("errors.slices_caption", count=tried), columns, rows)


def _slice(row: Slice) -> Phrase:
    if row.kind == "folder":
        return say("errors.folder", folder=Name(row.folder))
    return say(f"errors.{row.trait}.{row.kind}", limit=row.limit)
