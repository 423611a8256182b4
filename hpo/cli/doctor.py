"""`hpo doctor`: what is wrong with a data set, before any training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hpo.cli import completion
from hpo.cli.options import data_options
from hpo.results.tables import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from data_pipeline.audit import Audit, Finding
    from data_pipeline.inspect_image import Progress
    from data_pipeline.manifest import Manifest

EXAMPLES = 10
"""Files, or groups of equal files, that are named for each finding, and files of each group."""

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@click.command()
@click.argument("data", shell_complete=completion.data)
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
def doctor(data: str, as_json: bool, **given: Any) -> None:
    """Check a data set before you train on it.

    DATA is a folder of images, a table of labels (.csv, .tsv), a .zip, an .npz or a built-in name.
    Every file is decoded once and none is changed. The exit code is 1 if an error must be fixed
    before training.

    \b
    Examples:
      hpo doctor photos/
      hpo doctor flat/ --class-pattern '^(?P<class>[a-z]+)'
      hpo doctor labels.csv --images photos/
      hpo doctor digits --json
    """
    from data_pipeline.labelling import Labelling
    from data_pipeline.manifest import create_manifest

    labelling = Labelling(**{name: value for name, value in given.items() if value is not None})
    with _progress() as progress:
        # The seed decides which images go where; neither the findings nor the counts depend on it.
        manifest, audit = create_manifest(data, seed=0, labelling=labelling, progress=progress)
    if as_json:
        click.echo(json.dumps(_as_json(manifest, audit), indent=2))
    else:
        _print_report(manifest, audit)
    if audit.errors:
        raise SystemExit(1)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Reading images", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _as_json(manifest: Manifest, audit: Audit) -> dict[str, object]:
    return {
        "source": manifest.source,
        "layout": manifest.layout,
        "reading": manifest.reading.model_dump(),
        "digest": manifest.digest,
        "counts": manifest.counts(),
        "findings": [finding.model_dump() for finding in audit.findings],
    }


def _print_report(manifest: Manifest, audit: Audit) -> None:
    from rich.console import Console
    from rich.text import Text

    # The terminal wraps long lines by itself; in a pipe they stay whole.
    console = Console(highlight=False, soft_wrap=True)
    layout = manifest.layout.replace("_", " ")
    console.print(Text(f"{printable(manifest.source)}: {len(manifest.items):,} images ({layout})"))
    console.print(_counts_table(manifest))
    for finding in audit.findings:
        _print_finding(console, finding)
    if audit.errors:
        console.print(Text("Fix the errors before you train on this data set.", "bold red"))
    else:
        console.print(Text("No errors: you can train on this data set.", "bold green"))


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
