"""Writes the generated parts of README.md: `make docs`. A test checks that they are up to date."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from click.testing import CliRunner

from data_pipeline.augmentations import AUGMENTATIONS
from docs.reference import settings_reference, space_table
from hpo.cli import COMMANDS, main
from models.catalogue import BUILT_IN
from models.preprocessing import PREPROCESSING
from studies.parameters import PRETRAINED_BACKBONES, SCRATCH_BACKBONES
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from studies.space import DataFacts, default_space

README = Path(__file__).parent.parent / "README.md"


def commands() -> str:
    """Returns the help of every command."""
    runner = CliRunner()
    parts = []
    for name in COMMANDS:
        result = runner.invoke(main, [name, "--help"], prog_name="hpo", terminal_width=80)
        parts.append(f"### `hpo {name}`\n\n```text\n{result.output.strip()}\n```")
    return "\n\n".join(parts)


def space() -> str:
    """Returns the default space of a folder of 1,000 photos with weights for every backbone."""
    facts = DataFacts(classes=5, image_size_px=96, train_images=700)
    usable = [*SCRATCH_BACKBONES, *PRETRAINED_BACKBONES]
    rows = space_table(default_space(facts, usable))
    return _table(("name", "range", "when", "help"), rows)


def settings() -> str:
    """Returns the keys of the TOML file."""
    return _table(("key", "type", "default", "help"), settings_reference())


def samplers() -> str:
    """Returns what may propose the next trial."""
    return _described({name: row.help for name, row in SAMPLERS.items()})


def pruners() -> str:
    """Returns what may end a trial early."""
    return _described({name: row.help for name, row in PRUNERS.items()})


def augmentations() -> str:
    """Returns the named levels of augmentation."""
    return _described({row.name: row.description for row in AUGMENTATIONS.values()})


def backbones() -> str:
    """Returns the table of backbones."""
    rows = [
        {
            "name": f"`{row.name}`",
            "parameters": f"{row.parameters:,}",
            "min. size": f"{row.min_size_px} px",
            "preprocessing": PREPROCESSING[row.preprocessing].summary,
            "weights": "ImageNet" if row.has_weights else "-",
        }
        for row in BUILT_IN.rows.values()
    ]
    return _table(("name", "parameters", "min. size", "preprocessing", "weights"), rows)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "space": space,
    "settings": settings,
    "samplers": samplers,
    "pruners": pruners,
    "augmentations": augmentations,
    "backbones": backbones,
}


def rendered(text: str) -> str:
    """Returns a document with all its generated parts made anew.

    They stand between `<!-- generated: NAME -->` and `<!-- end -->`.
    """

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{SECTIONS[match[2]]()}\n\n{match[3]}"

    pattern = r"(<!-- generated: (\w+) -->).*?(<!-- end -->)"
    return re.sub(pattern, fill, text, flags=re.DOTALL)


def _described(texts: Mapping[str, str]) -> str:
    rows = [{"name": f"`{name}`", "what": text} for name, text in texts.items()]
    return _table(("name", "what"), rows)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    lines = [columns, ["---"] * len(columns)]
    lines += [[row[name].replace("|", "\\|").strip() for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text(encoding="utf-8")), encoding="utf-8")
