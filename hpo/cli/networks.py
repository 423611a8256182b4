"""`hpo networks`: checks a file of the user's own networks, or prints the one a study carries."""

from __future__ import annotations

from pathlib import Path

import click

from hpo.cli.options import storage_option, study_option
from hpo.paths import paths
from hpo.results.tables import printable


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="FILE.py")
@click.option(
    "--image-size",
    "image_size_px",
    type=click.IntRange(4, 4096),
    default=96,
    show_default=True,
    metavar="PX",
    help="Build them for images of this size.",
)
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    metavar="N",
    help="Build them for so many classes.",
)
@storage_option
@study_option
def networks(
    file: Path | None, image_size_px: int, classes: int, storage: str | None, study: str | None
) -> None:
    """Check a file of your own networks, or print what a study carries.

    Builds each network of FILE.py with several of its settings, as `hpo run --networks` does before
    anything is trained. Without a file it prints the Python code that a study was created with,
    and runs nothing.

    \b
    Examples:
      hpo networks my_networks.py
      hpo networks my_networks.py --image-size 224 --classes 3
      hpo networks --study photos
    """
    if file is None:
        _print_texts(storage, study)
    else:
        _check(file, image_size_px, classes)


def _check(file: Path, image_size_px: int, classes: int) -> None:
    from hpo.search.networks import Checker, Networks, read_sources
    from hpo.trust import trust
    from studies.space import DataFacts, default_space

    sources = read_sources([str(file)])
    trust(sources)
    with Checker(sources, click.echo) as checker:
        found = Networks(checker.declare(), checker)
        facts = DataFacts(classes=classes, native_size_px=image_size_px, train_images=1000)
        declared = [each for some in found.files for each in some.networks]
        space = default_space(facts, [each.name for each in declared], found.table)
        found.checked(space.with_changes({"image_size_px": image_size_px}), facts, click.echo)
    for each in declared:
        for name, setting in each.settings.items():
            click.echo(f"  {each.name}.{name}: {setting.domain}; first {setting.start}")


def _print_texts(storage: str | None, study: str | None) -> None:
    from hpo.search.open_study import find_study

    opened = find_study(paths(storage), study)
    for each in opened.record.networks:
        click.echo(f"# {printable(each.name)}")
        for line in each.text.splitlines():
            click.echo(
                printable(line.expandtabs())
            )  # it may be from somebody who plays tricks on terminals
    if not opened.record.networks:
        click.echo(f"The study {opened.study.study_name!r} carries no networks of its own.")
