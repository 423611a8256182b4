"""Chapter 8: all that somebody needs to do it again, and what the model is."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from data_pipeline.parts import SPLITS
from hpo.report import terms
from hpo.report.blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Column,
    Heading,
    Listing,
    Name,
    Phrase,
    Table,
    Text,
    say,
)
from hpo.report.chapters.field import megabytes
from hpo.report.chapters.verdict import what
from hpo.report.facts import StudyFacts
from hpo.results.judged import by_class
from hpo.results.ranking import changed_settings
from hpo.results.trial_rows import TrialRow
from studies.settings import StudySettings

MOST_CLASSES = 25


def chapter(facts: StudyFacts) -> Chapter:
    """Returns how to do it again."""
    return Chapter("again", tuple(_blocks(facts)))


def _blocks(facts: StudyFacts) -> Iterator[Block]:
    study = shlex.quote(facts.opened.study.study_name)
    yield Text(say("again.command", file=Code("again.toml")))
    yield Listing((f"hpo run --config again.toml --study {study}",))
    yield Listing(tuple(settings_file(facts.opened.record.read_settings()).splitlines()))
    yield _table("again.facts", [(say(f"again.{key}"), cell) for key, cell in _facts(facts)])
    if facts.manifest:
        yield _split(facts)
    phases = _phases(facts)
    if phases:
        yield phases
    if facts.best:
        yield Heading(say("again.card"))
        yield Text(say("again.card_about"), "note")
        yield _table("again.card_caption", list(_card(facts, facts.best)))
        yield _settings(facts.best)


def settings_file(settings: StudySettings) -> str:
    """Returns the TOML file of a study's settings, those at their defaults left out."""
    import tomli_w

    return tomli_w.dumps(settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True))


def _facts(facts: StudyFacts) -> Iterator[tuple[str, Cell]]:
    record = facts.opened.record
    yield "study", Name(facts.opened.study.study_name)
    yield "data", Name(facts.manifest.source if facts.manifest else str(record.settings["data"]))
    yield "seed", str(record.settings["seed"])
    yield "digest", Code(record.manifest_digest)
    yield (
        "versions",
        ", ".join(f"{package} {version}" for package, version in record.versions.items()),
    )
    for key in ("device", "precision"):
        found = Counter(str(row.attributes[key]) for row in facts.rows if key in row.attributes)
        if found:
            yield key, ", ".join(found)
    for backbone, why in record.unavailable.items():
        yield "unavailable", say("again.missing", backbone=Code(backbone), why=Name(why))


def _table(caption: str, rows: list[tuple[Phrase, Cell]]) -> Table:
    columns = [Column(say("again.what")), Column(say("again.is"))]
    return Table(say(caption), columns, [list(row) for row in rows])


def _split(facts: StudyFacts) -> Table:
    assert facts.manifest is not None
    counts = facts.manifest.counts()
    columns = [Column(say("errors.class"))]
    columns += [Column(say(f"again.{part}"), ",d") for part in SPLITS]
    totals = [sum(row[part] for row in counts.values()) for part in SPLITS]
    rows: list[list[Cell]] = [[say("again.all"), *totals]]
    rows += [[Name(name), *row.values()] for name, row in counts.items()]
    return Table(say("again.split"), columns, rows, most=MOST_CLASSES + 1)


def _phases(facts: StudyFacts) -> Table | None:
    seconds: Counter[str] = Counter()
    for row in facts.rows:
        seconds.update(row.attributes.get("timing", {}))
    total = seconds.pop("total", 0.0)
    if not total:
        return None
    columns = [
        Column(say("again.phase")),
        Column(say("again.seconds"), ",.1f"),
        Column(say("again.share"), ".1%"),
    ]
    rows: list[list[Cell]] = [
        [terms.phase(name), taken, taken / total] for name, taken in seconds.most_common()
    ]
    return Table(say("again.time", count=len(facts.rows), total=total), columns, rows)


def _card(facts: StudyFacts, best: TrialRow) -> Iterator[tuple[Phrase, Cell]]:
    yield say("card.network"), what(best)
    size = best.settings["model.image_size_px"]
    yield say("card.input"), say("card.any_size", size=size)
    parameters, mb = best.attributes.get("parameters"), megabytes(best)
    if parameters and mb:
        yield say("card.size"), say("card.parameters", count=parameters, mb=mb)
    if best.number in facts.latency_ms:
        yield say("card.latency"), say("card.ms", ms=facts.latency_ms[best.number])
    if facts.manifest:
        images = Counter(item.split for item in facts.manifest.items)
        yield say("card.data"), say("card.images", train=images["train"], count=images.total())
        yield say("card.output"), say("card.classes", count=len(facts.manifest.classes))
    yield say("card.use"), say("card.like_these")
    if facts.winner and facts.manifest:
        worst = min(by_class(facts.winner.validation), key=lambda row: row.f1)
        yield say("card.limits"), say("card.worst", name=Name(worst.name), f1=worst.f1)
    study = shlex.quote(facts.opened.study.study_name)
    yield say("card.get"), Code(f"hpo best --study {study} --export model.keras")


def _settings(best: TrialRow) -> Table:
    columns = [Column(say("mattered.setting")), Column(say("again.is"))]
    rows: list[list[Cell]] = [
        [Code(name), _shown(best.settings.get(name))] for name in changed_settings([best])
    ]
    return Table(say("again.settings", trial=best.number), columns, rows, folded=True)


def _shown(value: Any) -> Cell:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
