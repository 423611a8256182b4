"""`hpo cache`: shows and clears what is kept between studies."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hpo.cli.options import json_option

if TYPE_CHECKING:
    from data_pipeline.cache import CacheUsage


@click.command()
@click.option("--clear", is_flag=True, help="Delete everything that no running process uses.")
@json_option
def cache(clear: bool, as_json: bool) -> None:
    """Show or clear what is kept between studies.

    Decoded images and the activations of frozen backbones are computed once and kept in the
    user's cache folder. If you delete them, they are computed again. HPO_CACHE_DIR names another
    folder. HPO_CACHE_LIMIT, such as 20GB, limits its size: the least recently used entries are
    deleted first.

    \b
    Examples:
      hpo cache
      hpo cache --clear
      HPO_CACHE_LIMIT=50GB hpo run --data photos
    """
    from data_pipeline.cache import Cache

    kept = Cache()
    usage = kept.clear() if clear else kept.usage()
    if as_json:
        click.echo(json.dumps(_as_json(usage), indent=2))
    else:
        _print(usage, clear)


def _as_json(usage: CacheUsage) -> dict[str, object]:
    return {
        "folder": str(usage.root),
        "size_bytes": usage.size_bytes,
        "limit_bytes": usage.limit_bytes,
        "entries": [
            {
                "kind": entry.kind,
                "key": entry.key,
                "size_bytes": entry.size_bytes,
                "last_used": _time(entry.last_used_s),
            }
            for entry in usage.entries
        ],
    }


def _print(usage: CacheUsage, cleared: bool) -> None:
    from hpo.results.tables import Column, show

    click.echo(f"Folder: {usage.root}")
    click.echo(f"Size:   {_size(usage.size_bytes)} of at most {_size(usage.limit_bytes)}")
    if usage.entries:
        columns = [Column("kind"), Column("entry"), Column("size"), Column("last used (UTC)")]
        show(
            columns,
            (
                (entry.kind, entry.key, _size(entry.size_bytes), _time(entry.last_used_s))
                for entry in usage.entries
            ),
        )
    if cleared:
        click.echo("Running processes still use these." if usage.entries else "Cleared.")


def _size(size_bytes: int) -> str:
    from pydantic import ByteSize

    return ByteSize(size_bytes).human_readable(decimal=True, separator=" ")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
