"""What a shell offers behind an option when Tab is pressed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem


def studies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the studies in the storage; none where it cannot be read."""
    from hpo.paths import paths
    from hpo.search.open_study import names, open_existing
    from studies.errors import StudyError

    with suppress(StudyError):
        return _beginning(names(open_existing(paths(ctx.params.get("storage")))), incomplete)
    return []


def presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the presets."""
    from studies.toml_files import list_presets

    return _beginning(list_presets(), incomplete)


def data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the built-in data sets that begin so, or else lets the shell list files."""
    from data_pipeline.datasets import DATASETS

    found = _beginning(DATASETS, incomplete) if incomplete else []
    return found or [CompletionItem(incomplete, type="file")]


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
