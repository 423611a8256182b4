"""Networks of the user's own: from the file they name to what a study keeps of it.

The text is read once, when a study is created. A process of its own runs it and builds each
network (`hpo.training.network_check`); this one never does.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from data_pipeline.system import apart
from hpo.paths import Paths
from hpo.search.open_study import find_record
from hpo.training.network_messages import Build, Built, Declare, Declared, Text
from hpo.trust import trust
from models.errors import ModelError
from models.source import Source, where_it_hung
from studies.errors import StudyError
from studies.network_files import MOST_BYTES, NetworkFile, table_of
from studies.network_source import source_of
from studies.network_tries import Try, tries
from studies.networks import Network
from studies.parameters import ParameterTable
from studies.space import DataFacts, Space

LIMIT_S = 120.0
"""How long a file may take to be run, and each of its networks to be built."""
CHECKER = (sys.executable, "-P", "-m", "hpo.training.network_check")
"""`-P` keeps files of the current folder from being taken for modules."""
MOST_DIFFERING = 30
"""Lines of a difference that are shown."""

Say = Callable[[str], None]


def files_in(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the network files that settings name, which nobody has checked yet."""
    named = settings.get("networks", ())
    listed = [named] if isinstance(named, str) else named if isinstance(named, list | tuple) else []
    return tuple(name for name in listed if isinstance(name, str))


def as_files(networks: Iterable[Network | str | os.PathLike[str]], folder: Path) -> list[str]:
    """Returns what the setting `networks` is for networks that were defined in Python.

    Each is written into a file of its own, which the study is then created with.

    Args:
        networks: Networks, and files of networks.
        folder: Where to write.

    Raises:
        ModelError: A network's source is not known.
    """
    return [
        str(_written(each, folder)) if isinstance(each, Network) else os.fspath(each)
        for each in networks
    ]


def _written(network: Network, folder: Path) -> Path:
    source = source_of(network)
    folder.mkdir(parents=True, exist_ok=True)
    path, temporary = folder / source.name, folder / f".{source.name}.{os.getpid()}"
    temporary.write_text(source.text, encoding="utf-8")
    temporary.replace(path)
    return path


def read_sources(names: Iterable[str]) -> tuple[Source, ...]:
    """Reads network files.

    Raises:
        StudyError: One is missing, is no text, or is too long to be kept with a study.
    """
    sources = tuple(_read(Path(name)) for name in names)
    size = sum(len(source.text.encode()) for source in sources)
    if size > MOST_BYTES:
        raise StudyError(
            f"The network files of a study may have {MOST_BYTES:,} bytes together. "
            f"Received: {size:,} bytes. Leave out what the networks do not need."
        )
    return sources


def _read(path: Path) -> Source:
    try:
        return Source(path.name, path.expanduser().read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StudyError(
            f"--networks must name a Python file. Received: {path}, which does not exist. "
            "Check the path."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"--networks must name a Python file. Received: {path}, which cannot be read ({error})."
        ) from error


def refuse_changed(study: str, kept: Sequence[NetworkFile], names: Iterable[str]) -> None:
    """Refuses files that say something else than those that a study was created with.

    A file that is gone is no difference: the study has its text.

    Raises:
        StudyError: One does; shows the difference.
    """
    named = [name for name in names if Path(name).expanduser().exists()]
    texts = {file.name: file.text for file in kept}
    for source in read_sources(named):
        if texts.get(source.name) == source.text:
            continue
        if source.name not in texts:
            listed = ", ".join(texts) or "no network file"
            what = f"{source.name}; it has {listed}. "
        else:
            what = f"another text of {source.name}:\n{_difference(source, texts[source.name])}\n"
        raise StudyError(
            f"The study {study!r} goes on with the networks it was created with. "
            f"Received: {what}Leave out --networks to continue it, or create another study: "
            f"--study NAME --from {study} takes along the trials that are the same."
        )


def _difference(source: Source, before: str) -> str:
    lines = [
        *difflib.unified_diff(
            before.splitlines(),
            source.text.splitlines(),
            f"{source.name} of the study",
            f"{source.name} now",
            lineterm="",
            n=1,
        )
    ]
    more = len(lines) - MOST_DIFFERING
    return "\n".join([*lines[:MOST_DIFFERING], *([f"… and {more} more lines"] * (more > 0))])


@dataclass(frozen=True)
class Networks:
    """The network files of a study that exists or is about to be created.

    Attributes:
        files: The files; without any, nothing here does anything.
        checker: What can build them; None where they were built before.
    """

    files: tuple[NetworkFile, ...] = ()
    checker: Checker | None = None

    @property
    def table(self) -> ParameterTable:
        """The settings there are, those of the networks among them."""
        return table_of(self.files)

    def checked(self, space: Space, facts: DataFacts, say: Say) -> tuple[NetworkFile, ...]:
        """Builds every network of a space, and returns the files with what was found.

        Raises:
            ModelError: One cannot be built with its first settings; names each.
        """
        if self.checker is None:
            return self.files
        return _checked(self.files, tries(self.files, space, facts), self.checker, say)


NO_NETWORKS = Networks()


@contextmanager
def networks_for(
    paths: Paths,
    study: str,
    names: Sequence[str],
    say: Say,
    taken: tuple[NetworkFile, ...] = (),
) -> Iterator[Networks]:
    """Yields the networks of a study, which may exist already.

    Files that the user names are trusted from then on.

    Args:
        paths: Where studies live.
        study: The study's name.
        names: The files that the user names now.
        say: Tells the user what is found.
        taken: Networks of another study, which a new one has where the user names no file, or
            the same ones and they are gone.

    Raises:
        StudyError: A file cannot be read, or says something else than the study's text.
        ModelError: A file cannot be run; names the line.
    """
    record = find_record(paths, study)
    there = [name for name in names if Path(name).expanduser().exists()]
    if record is not None:
        refuse_changed(study, record.networks, names)
        trust(read_sources(there))
        yield Networks(record.networks)
    elif names and (there or {Path(name).name for name in names} != {f.name for f in taken}):
        sources = read_sources(names)
        trust(sources)
        with Checker(sources, say) as checker:
            yield Networks(checker.declare(), checker)
    else:
        yield Networks(taken)


def _checked(
    files: tuple[NetworkFile, ...], wanted: list[Try], checker: Checker, say: Say
) -> tuple[NetworkFile, ...]:
    problems: dict[str, str] = {}
    built: dict[str, Built] = {}
    for each in wanted:
        if each.network in problems:
            continue
        answer = checker.build(each)
        if each.first:
            built[each.network] = answer
        if answer.problem and each.first:
            problems[each.network] = answer.problem
        elif answer.problem:
            problems[each.network] = ""  # one example is enough
            say(f"Some trials of {each.network} will fail and count as pruned: {answer.problem}")
    if found := [problem for problem in problems.values() if problem]:
        raise ModelError("\n".join(found))
    for name, answer in built.items():
        say(f"Network {name}: {answer.parameters:,} parameters with its first settings.")
    return tuple(_with_layers(file, built) for file in files)


def _with_layers(file: NetworkFile, built: Mapping[str, Built]) -> NetworkFile:
    found = {n.name: built[n.name] for n in file.networks if n.name in built}
    needing = tuple(name for name, answer in found.items() if answer.needs_layers)
    layers = {name: None for answer in found.values() for name in answer.layers}
    return file.model_copy(update={"needs_layers": needing, "layers": tuple(layers)})


class Checker:
    """The process that runs network files and builds their networks.

    Attributes:
        sources: The files.
    """

    def __init__(self, sources: Sequence[Source], say: Say) -> None:
        """Starts it."""
        self.sources, self._say = tuple(sources), say
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            CHECKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            **apart(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._printed.close()

    def declare(self) -> tuple[NetworkFile, ...]:
        """Runs the files and returns what they declare.

        Raises:
            ModelError: One cannot be run; names the line.
        """
        texts = tuple(Text(name=source.name, text=source.text) for source in self.sources)
        line = self._ask(Declare(files=texts, limit_s=LIMIT_S).model_dump_json())
        if line is None:
            raise self._ended("")
        declared = Declared.model_validate_json(line)
        self._show(declared.printed)
        if declared.problem:
            raise ModelError(declared.problem)
        return declared.files

    def build(self, wanted: Try) -> Built:
        """Builds a network, and returns what came of it.

        Raises:
            ModelError: It ended the process.
        """
        build = Build(model=wanted.model, label=wanted.label, thoroughly=wanted.first)
        line = self._ask(build.model_dump_json())
        if line is None:
            raise self._ended(f"\n    while {wanted.label} was built")
        built = Built.model_validate_json(line)
        self._show(built.printed if wanted.first else "")
        return built

    def _ask(self, line: str) -> bytes | None:
        """Returns the answer to a line; None where the process has ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._process.stdout.readline() or None

    def _ended(self, more: str) -> ModelError:
        """Returns why the process has ended."""
        status = self._process.wait()
        self._printed.seek(0)
        printed = self._printed.read().decode(errors="replace")
        names = ", ".join(source.name for source in self.sources)
        for source in self.sources:
            if (where := where_it_hung(source, printed)) != source.name:
                return ModelError(
                    f"{where}: A network file must be run, and each of its networks be built, "
                    f"within {LIMIT_S:g} s. Received: it was still here then.{more}"
                )
        said = [line for line in printed.splitlines() if re.match(r"\w*(Error|Exception)\b", line)]
        return ModelError(
            f"{names}: A network file must not end the program. Received: exit status {status}. "
            f"{''.join(said[-1:])}".rstrip()
            + more
        )

    def _show(self, printed: str) -> None:
        if printed.strip():
            names = ", ".join(source.name for source in self.sources)
            self._say(f"{names} printed: {printed.strip()}")
