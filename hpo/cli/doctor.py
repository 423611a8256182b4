"""`hpo doctor`: what is wrong with a data set, before any training."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hpo.cli import completion
from hpo.cli.options import data_options, language_option
from hpo.results.tables import printable, progress_bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from data_pipeline.audit import Audit, Finding
    from data_pipeline.manifest import Manifest
    from data_pipeline.store import Decoded
    from hpo.report.images import ImagesFacts

EXAMPLES = 10
"""Files, or groups of equal files, that are named for each finding, and files of each group."""

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command()
@click.argument("data", shell_complete=completion.data)
@data_options
@click.option(
    "--suspects",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also look for wrong labels and odd images, and list them in this CSV file.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The same as a page with pictures.",
)
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
def doctor(
    data: str, table: Path | None, html: Path | None, language: str, as_json: bool, **given: Any
) -> None:
    """Check a data set before you train on it.

    DATA is a folder of images, a table of labels (.csv, .tsv), a .zip, an .npz or a built-in name.
    Every file is decoded once and none is changed. The exit code is 1 if an error must be fixed
    before training.

    With --suspects or --html pretrained backbones look at all images but those of a test part that
    the data have: which labels are probably wrong, which images are nearly equal, dark, blurred or
    odd. Write `yes` into the table where you agree, and pass it to `hpo run --exclude`.

    \b
    Examples:
      hpo doctor photos/
      hpo doctor flat/ --class-pattern '^(?P<class>[a-z]+)'
      hpo doctor labels.csv --images photos/
      hpo doctor digits --json
      hpo doctor photos/ --suspects suspects.csv --html photos.html
    """
    from data_pipeline.labelling import Labelling
    from data_pipeline.manifest import create_manifest
    from studies.suspects_file import require_replaceable, with_confirmed

    if table:
        require_replaceable(table)
    if html:
        _check_page(html)
    asked = with_confirmed({name: value for name, value in given.items() if value is not None})
    kept = _images_to_keep() if table or html else None
    with progress_bar("Reading images") as progress:
        # The seed decides which images go where; neither the findings nor the counts depend on it.
        manifest, audit = create_manifest(
            data,
            seed=0,
            labelling=Labelling(**asked),
            progress=progress,
            keep=kept.add if kept else None,
        )
    images = _look_at(manifest, audit, kept) if kept and not audit.errors else None
    if as_json:
        click.echo(json.dumps(_as_json(manifest, audit, images), indent=2))
    else:
        _print_report(manifest, audit, images)
    if table and images:
        _write_table(images, table)
    if html:
        _write_page(data, manifest, audit, images, html, language)
    if audit.errors:
        raise SystemExit(1)


def _images_to_keep() -> Decoded:
    from data_pipeline.store import Decoded
    from hpo.analysis.embedding import SIZE_PX

    return Decoded(SIZE_PX)


def _look_at(manifest: Manifest, audit: Audit, kept: Decoded) -> ImagesFacts:
    """Looks at all images but those of a test part that the data have."""
    from hpo.results.tables import working

    if "test" in audit.drawn:  # no search has begun, so nothing is sealed yet
        manifest = manifest.without_test()

    with working("Looking for suspects …"):
        from hpo.analysis.embedding import embed
        from hpo.report.images import look_at

        return look_at(embed(manifest, decoded=kept))


def _write_table(images: ImagesFacts, table: Path) -> None:
    from hpo.analysis.suspects_table import write_table

    write_table(images.suspects, table)
    click.echo(
        f"Written: {printable(str(table))}. Write yes into its first column where you agree; then: "
        f"hpo run --exclude {shlex.quote(str(table))}",
        err=True,
    )


def _check_page(html: Path) -> None:
    from hpo.report.writing import check_target

    check_target(html, "html", overwrite=False, option="--html")


def _write_page(
    data: str,
    manifest: Manifest,
    audit: Audit,
    images: ImagesFacts | None,
    html: Path,
    language: str,
) -> None:
    from hpo.report.data_page import data_report
    from hpo.report.language import load
    from hpo.report.writing import write

    for line in write(data_report(data, manifest, audit, images), load(language), "html", html):
        click.echo(line, err=True)


def _as_json(manifest: Manifest, audit: Audit, images: ImagesFacts | None) -> dict[str, object]:
    suspects = {"suspects": [asdict(row) for row in images.suspects.rows]} if images else {}
    return {
        "source": manifest.source,
        "layout": manifest.layout,
        "reading": manifest.reading.model_dump(),
        "digest": manifest.digest,
        "counts": manifest.counts(),
        "findings": [finding.model_dump() for finding in audit.findings],
        **suspects,
    }


def _print_report(manifest: Manifest, audit: Audit, images: ImagesFacts | None) -> None:
    from rich.console import Console
    from rich.text import Text

    # The terminal wraps long lines by itself; in a pipe they stay whole.
    console = Console(highlight=False, soft_wrap=True)
    layout = manifest.layout.replace("_", " ")
    console.print(Text(f"{printable(manifest.source)}: {len(manifest.items):,} images ({layout})"))
    console.print(_counts_table(manifest))
    for finding in audit.findings:
        _print_finding(console, finding)
    if images:
        _print_suspects(console, images)
    if audit.errors:
        console.print(Text("Fix the errors before you train on this data set.", "bold red"))
    else:
        console.print(Text("No errors: you can train on this data set.", "bold green"))


def _print_suspects(console: Console, images: ImagesFacts) -> None:
    from rich.text import Text

    from hpo.analysis.suspects import KINDS
    from hpo.analysis.suspects_table import described

    for kind, count in images.suspects.counts.items():
        if not count:
            continue
        head = Text("suspect", "magenta").append(f" {kind} ({count:,}): ", "default")
        console.print(head.append(KINDS[kind], "default"))
        for row in images.suspects.of(kind)[:EXAMPLES]:
            console.print(Text("    " + printable(described(row))))
        if count > EXAMPLES:
            console.print(f"    … and {count - EXAMPLES:,} more (--suspects FILE lists all)")


def _counts_table(manifest: Manifest) -> Table:
    from rich.table import Table
    from rich.text import Text

    from data_pipeline.parts import SPLITS

    table = Table("class", show_footer=True)
    table.columns[0].footer = "all"
    table.columns[0].overflow = "fold"
    counts = manifest.counts()
    for split in SPLITS:
        total = sum(row[split] for row in counts.values())
        table.add_column(split, f"{total:,}", justify="right")
    for name, row in counts.items():
        table.add_row(Text(printable(name)), *(f"{row[split]:,}" for split in SPLITS))
    return table


def _print_finding(console: Console, finding: Finding) -> None:
    from rich.text import Text

    head = Text(finding.severity, COLOURS[finding.severity])
    console.print(head.append(f" {finding.code} ({finding.count:,}): ", "default"), end="")
    console.print(Text(finding.message))
    groups = finding.groups or tuple((path,) for path in finding.paths)
    for group in groups[:EXAMPLES]:
        more = f" and {len(group) - EXAMPLES:,} more" if len(group) > EXAMPLES else ""
        console.print(Text("    " + " = ".join(map(printable, group[:EXAMPLES])) + more))
    if len(groups) > EXAMPLES:
        console.print(f"    … and {len(groups) - EXAMPLES:,} more (--json lists all)")
