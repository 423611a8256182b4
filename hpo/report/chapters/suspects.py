"""Chapter 4: what is suspect in the data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from data_pipeline.audit import Audit
from hpo.analysis.suspects import KINDS, Suspect
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
    Thumbnail,
    Thumbnails,
    say,
)
from hpo.report.facts import StudyFacts
from hpo.report.images import OTHERS, SHOWN, ImagesFacts

UNSURE = 0.75
"""Where fewer images are given their label's class, most doubts are the network's fault."""


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns what is suspect in a study's data; None where the list of its images is gone."""
    if facts.images is None:
        why = Text(say("suspects.unseen", why=Name(facts.images_problem)), "warning")
        return Chapter("suspects", (why,)) if facts.images_problem else None
    settings = facts.opened.record.settings
    return Chapter("suspects", tuple(blocks(facts.images, str(settings["data"]))))


def of_data(data: str, audit: Audit, images: ImagesFacts | None) -> Chapter:
    """Returns the same of a data set alone, with what its audit found.

    Args:
        data: The data set, as it is typed.
        audit: Its audit.
        images: What was found out about its images; None where they were not looked at.
    """
    found = list(blocks(images, data)) if images else [Text(say("suspects.errors"), "warning")]
    return Chapter("suspects", (*found, *_findings(audit)))


def blocks(images: ImagesFacts, data: str) -> Iterator[Block]:
    """Yields what is suspect.

    Args:
        images: What was found out about the images.
        data: The data set, as it is typed.
    """
    found = images.suspects
    yield Text(_summary(images), "lead")
    yield Text(_how(images), "note")
    yield Text(
        say("suspects.sealed" if found.sealed else "suspects.all", count=found.sealed), "note"
    )
    if found.agreement < UNSURE and found.of("label"):
        yield Text(say("suspects.unsure", share=found.agreement), "warning")
    for kind in KINDS:
        yield from _gallery(images, kind)
    if found.rows:
        yield Heading(say("suspects.leave_out"))
        yield Text(say("suspects.steps", file=Code("suspects.csv"), column=Code("confirmed")))
        yield Listing(
            (
                f"hpo doctor {shlex.quote(data)} --suspects suspects.csv",
                f"hpo run --data {shlex.quote(data)} --exclude suspects.csv --study NAME",
            )
        )


def _summary(images: ImagesFacts) -> Phrase:
    counts = images.suspects.counts
    if not any(counts.values()):
        return say("suspects.none", images=images.suspects.images)
    return say(
        "suspects.summary",
        count=counts["label"],
        images=images.suspects.images,
        possible=counts["possible"],
        others=sum(n for kind, n in counts.items() if kind not in ("label", "possible")),
    )


def _how(images: ImagesFacts) -> Phrase:
    found = images.suspects
    network = (
        say(
            "suspects.backbone",
            backbone=Code(" + ".join(found.backbones)),
            size=found.image_size_px,
        )
        if found.backbones
        else say("suspects.pixels")
    )
    return say("suspects.how", network=network, share=found.agreement)


def _gallery(images: ImagesFacts, kind: str) -> Iterator[Block]:
    rows = images.suspects.of(kind)
    shown = [row for row in rows[: SHOWN.get(kind, OTHERS)] if row.path in images.pictures]
    if not rows:
        return
    part = say(
        "suspects.all_shown" if len(shown) == len(rows) else "suspects.first_shown",
        count=len(shown),
    )
    caption = say(f"suspects.{kind}", count=len(rows), shown=part)
    yield Heading(say(f"suspects.{kind}_title"))
    if shown:
        yield Thumbnails(caption, tuple(_thumbnail(images, row) for row in shown))
    else:
        yield Text(caption)


def _thumbnail(images: ImagesFacts, row: Suspect) -> Thumbnail:
    lines: list[Name | Phrase] = [say("suspects.labelled", label=Name(row.label))]
    if row.likelier is not None:
        assert row.likeliest is not None
        lines.append(say("suspects.rather", label=Name(row.likelier), share=row.likeliest))
    if row.like:
        lines.append(say("suspects.like", path=Name(row.like[0])))
    return Thumbnail(
        jpeg=images.pictures[row.path],
        alt=say("suspects.alt", label=Name(row.label)),
        lines=(*lines, Name(row.path)),
    )


def _findings(audit: Audit) -> Iterator[Block]:
    yield Heading(say("suspects.audit"))
    if not audit.findings:
        yield Text(say("suspects.sound"))
        return
    columns = [
        Column(say("suspects.severity")),
        Column(say("suspects.finding")),
        Column(say("suspects.count"), ",d"),
        Column(say("suspects.first")),
    ]
    rows: list[list[Cell]] = [
        [
            say(f"suspects.{finding.severity}"),
            Name(finding.message),
            finding.count,
            Name(", ".join(finding.paths[:3])),
        ]
        for finding in audit.findings
    ]
    yield Table(say("suspects.audit_caption", count=len(rows)), columns, rows)
