"""The report of a data set alone, before any search."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePath

from data_pipeline.audit import Audit
from data_pipeline.manifest import Manifest
from hpo.report.blocks import Name, Report, say
from hpo.report.chapters.suspects import of_data
from hpo.report.images import ImagesFacts


def data_report(data: str, manifest: Manifest, audit: Audit, images: ImagesFacts | None) -> Report:
    """Returns what there is to say of a data set.

    Args:
        data: The data set, as it was typed.
        manifest: It.
        audit: What its audit found.
        images: What was found out about its images; None where they were not looked at.
    """
    name = PurePath(manifest.source).name
    return Report(
        study=name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        summary=say(
            "suspects.page",
            data=Name(name),
            classes=len(manifest.classes),
            images=len(manifest.items),
        ),
        chapters=(of_data(data, audit, images),),
    )
