"""Writes the generated parts of the documents: `make docs`. A test checks that they are current."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from click.testing import CliRunner

import hpo
from data_pipeline.augmentations import AUGMENTATIONS
from data_pipeline.checks import SEVERITIES
from data_pipeline.datasets import DATASETS
from data_pipeline.file_checks import FILE_CHECKS
from data_pipeline.images import FORMATS
from data_pipeline.parts import PART_NAMES
from data_pipeline.set_checks import SET_CHECKS
from docs.reference import settings_reference, space_table
from hpo.cli import COMMANDS, main
from models.backbone import Backbone
from models.catalogue import BUILT_IN
from models.optimizers import OPTIMIZERS
from models.preprocessing import PREPROCESSING
from studies.metrics import METRICS
from studies.parameters import PRETRAINED_BACKBONES, SCRATCH_BACKBONES
from studies.pruners import PRUNERS
from studies.samplers import SAMPLERS
from studies.settings import CHANGEABLE, StudySettings
from studies.space import DataFacts, default_space

DOCS = Path(__file__).parent
DOCUMENTS = (
    DOCS.parent / "README.md",
    DOCS.parent / "README.ko.md",
    *sorted(DOCS.glob("*.md")),
)


def overview() -> str:
    """Returns the help of `hpo` itself."""
    return _help()


def commands() -> str:
    """Returns the help of every command."""
    return "\n\n".join(f"### `hpo {name}`\n\n{_help(name)}" for name in COMMANDS)


def _help(*words: str) -> str:
    result = CliRunner().invoke(main, [*words, "--help"], prog_name="hpo", terminal_width=80)
    return f"```text\n{click.unstyle(result.output).strip()}\n```"


def space() -> str:
    """Returns the default space of a folder of 1,000 photos with weights for every backbone."""
    facts = DataFacts(classes=5, native_size_px=256, train_images=700)
    usable = [*SCRATCH_BACKBONES, *PRETRAINED_BACKBONES]
    rows = space_table(default_space(facts, usable))
    return _table(("name", "range", "when", "help"), rows)


def settings() -> str:
    """Returns the keys of the TOML file."""
    return _table(("key", "type", "default", "help"), settings_reference())


def changeable() -> str:
    """Returns the keys that may differ when a study is continued."""
    return ", ".join(f"`{key}`" for key in StudySettings.model_fields if key in CHANGEABLE)


def metrics() -> str:
    """Returns what a study can be tuned for."""
    rows = [
        {"name": f"`{row.name}`", "what": row.label, "better": row.direction}
        for row in METRICS.values()
    ]
    return _table(("name", "what", "better"), rows)


def samplers() -> str:
    """Returns what may propose the next trial."""
    return _described({name: row.help for name, row in SAMPLERS.items()})


def pruners() -> str:
    """Returns what may end a trial early."""
    return _described({name: row.help for name, row in PRUNERS.items()})


def augmentations() -> str:
    """Returns the named levels of augmentation."""
    return _described({row.name: row.description for row in AUGMENTATIONS.values()})


def optimizers() -> str:
    """Returns the names of the optimizers."""
    return ", ".join(f"`{name}`" for name in OPTIMIZERS)


def backbones() -> str:
    """Returns the table of backbones."""
    rows = [
        {
            "name": f"`{row.name}`",
            "parameters": f"{row.parameters:,}",
            "min. size": f"{row.min_size_px} px",
            "preprocessing": PREPROCESSING[row.preprocessing].summary,
            "weights": _weights(row),
        }
        for row in BUILT_IN.rows.values()
    ]
    return _table(("name", "parameters", "min. size", "preprocessing", "weights"), rows)


def _weights(row: Backbone) -> str:
    if not row.has_weights:
        return "-"
    return "KerasHub" if row.name.startswith("hub:") else "ImageNet"


def datasets() -> str:
    """Returns the built-in data sets."""
    rows = [
        {
            "name": f"`{row.name}`",
            "classes": str(len(row.classes)),
            "size": f"{row.image_size_px} px",
            "download": "by Keras" if row.cached_as else "-",
        }
        for row in DATASETS.values()
    ]
    return _table(("name", "classes", "size", "download"), rows)


def parts() -> str:
    """Returns the names of folders that hold a part of a data set that is split already."""
    return _described({row.split: ", ".join(row.words) for row in PART_NAMES})


def formats() -> str:
    """Returns the image formats that are read."""
    rows = [
        {"name": row.name, "files": " ".join(f"`{suffix}`" for suffix in row.suffixes)}
        for row in FORMATS.values()
    ]
    return _table(("name", "files"), rows)


def findings() -> str:
    """Returns what `hpo doctor` may find."""
    checks = sorted((*FILE_CHECKS, *SET_CHECKS), key=lambda row: SEVERITIES.index(row.severity))
    rows = [
        {"code": f"`{row.code}`", "severity": row.severity, "message": row.message}
        for row in checks
    ]
    return _table(("code", "severity", "message"), rows)


def public_names() -> str:
    """Returns what `import hpo` offers."""
    names = [name for name in hpo.__all__ if not name.startswith("_")]
    texts = {f"hpo.{name}": _first_line(getattr(hpo, name)) for name in names}
    return _described(texts)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


SECTIONS: Mapping[str, Callable[[], str]] = {
    section.__name__: section
    for section in (
        overview,
        commands,
        space,
        settings,
        changeable,
        metrics,
        samplers,
        pruners,
        augmentations,
        optimizers,
        backbones,
        datasets,
        parts,
        formats,
        findings,
        public_names,
    )
}
_MARKED = re.compile(r"(<!-- generated: (\w+) -->).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str) -> str:
    """Returns a document with all its generated parts made anew.

    They stand between `<!-- generated: NAME -->` and `<!-- end -->`.
    """

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{SECTIONS[match[2]]()}\n\n{match[3]}"

    return _MARKED.sub(fill, text)


def _described(texts: Mapping[str, str]) -> str:
    rows = [{"name": f"`{name}`", "what": text} for name, text in texts.items()]
    return _table(("name", "what"), rows)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    lines = [columns, ["---"] * len(columns)]
    lines += [[row[name].replace("|", "\\|").strip() for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(rendered(document.read_text(encoding="utf-8")), encoding="utf-8")
