"""A report as JSON: every figure, with the words that a page says about it."""

from __future__ import annotations

import json
import math
from typing import Any

from hpo.report import blocks as b
from hpo.report.charts.tables import table_of
from hpo.report.language import Words


def as_json(report: b.Report, words: Words) -> str:
    """Returns all of a report but its pictures."""
    chapters = [
        {
            "chapter": chapter.key,
            "title": words.text(chapter.title),
            "blocks": [_block(block, words) for block in chapter.blocks],
        }
        for chapter in report.chapters
    ]
    whole = {
        "study": report.study,
        "written": report.written,
        "language": words.code,
        "summary": _phrase(report.summary, words),
        "chapters": chapters,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


def _block(block: b.Block, words: Words) -> dict[str, Any]:
    match block:
        case b.Heading(text):
            return {"kind": "heading", **_phrase(text, words)}
        case b.Text(text, kind):
            return {"kind": "text", "look": kind, **_phrase(text, words)}
        case b.Listing(lines):
            return {"kind": "listing", "lines": list(lines)}
        case b.Table():
            return {"kind": "table", **_table(block, words)}
        case b.Figure():
            figures = _table(table_of(block.chart), words)
            return {"kind": "figure", **figures, "caption": words.text(block.caption)}
        case b.Thumbnails():
            shown = [[words.text(line) for line in p.lines] for p in block.pictures]
            return {"kind": "pictures", "caption": words.text(block.caption), "pictures": shown}
        case b.Matrix():
            counts = [list(row) for row in block.counts]
            return {"kind": "matrix", "classes": list(block.classes), "counts": counts}


def _phrase(phrase: b.Phrase, words: Words) -> dict[str, Any]:
    figures = {name: _value(value, words) for name, value in phrase.fill.items()}
    return {"says": phrase.key, "text": words.text(phrase), "figures": figures}


def _table(table: b.Table, words: Words) -> dict[str, Any]:
    return {
        "caption": words.text(table.caption),
        "columns": [words.text(column.title) for column in table.columns],
        "rows": [[_value(cell, words) for cell in row] for row in table.rows],
    }


def _value(value: b.Cell | tuple[b.Phrase, ...], words: Words) -> str | int | float | None:
    match value:
        case None | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case b.Link(text, _):
            return _value(text, words)
        case _:
            return words.text(value)
