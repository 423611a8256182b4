"""Which settings a user's network is built with once, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.config import ModelConfig
from studies.domains import Choices, Domain, Fixed, Value
from studies.network_files import NetworkFile
from studies.space import DataFacts, Space
from studies.suggest import nearest_trial

FAR = 1 << 40
"""Beyond every range: `nearest` makes its end of it."""


@dataclass(frozen=True)
class Try:
    """One build of a network.

    Attributes:
        network: Its name.
        model: What is built.
        first: Whether these are the settings that it is trained with first. Others that cannot be
            built are trials without a value, and no mistake of the whole network.
    """

    network: str
    model: ModelConfig
    first: bool

    @property
    def label(self) -> str:
        """What is built, in words."""
        settings = self.model.own.settings if self.model.own else {}
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"{self.network}({given}) at {self.model.image_size_px} px"


def tries(files: tuple[NetworkFile, ...], space: Space, facts: DataFacts) -> list[Try]:
    """Returns what to build of each network of the space, the first settings first.

    These are the first settings, each choice beside the first of the others, and both ends of all
    ranges, at the smallest and the largest image size: a network that runs out of pixels does so
    where it is deepest and the images are smallest.
    """
    names = {*map(str, space.values("backbone"))}
    found = []
    for each in (network for file in files for network in file.networks):
        if each.name not in names:
            continue
        domains = {name: space[f"{each.name}.{name}"] for name in each.settings}
        models: dict[str, ModelConfig] = {}
        for settings in _settings(domains):
            for size in (-FAR, FAR):
                wanted: dict[str, Value] = {
                    f"{each.name}.{name}": value for name, value in settings.items()
                }
                wanted |= {"backbone": each.name, "scratch_image_size_px": size}
                model = nearest_trial(space, facts, wanted)[1].model
                models.setdefault(model.model_dump_json(), model)
        found += [Try(each.name, m, number == 0) for number, m in enumerate(models.values())]
    return found


def _settings(domains: Mapping[str, Domain]) -> Iterator[dict[str, Value]]:
    """Yields what differs from the first settings."""
    yield {}
    for end in (-FAR, FAR):
        yield {name: end for name, domain in domains.items() if not isinstance(domain, Choices)}
    for name, domain in domains.items():
        if isinstance(domain, Choices | Fixed):
            continue
        for end in (-FAR, FAR):
            yield {name: end}
    for name, domain in domains.items():
        if isinstance(domain, Choices):
            for value in domain.values[1:]:
                yield {name: value}
