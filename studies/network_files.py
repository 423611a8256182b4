"""Network files as a study keeps them: their text, and what they declare.

Reading them runs nothing. The text is run where one of its networks is built: see
`models.source.Source.run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from models.backbone import Backbone, Output
from models.catalogue import BUILT_IN, Catalogue
from models.companion import register_classes
from models.errors import ModelError
from models.source import Source, defined_twice, line_of_function, no_processes
from studies.domains import Domain, Fixed, Value
from studies.networks import Network
from studies.parameter import Parameter, When
from studies.parameters import ParameterTable, parameter_table
from studies.trial_config import TrialConfig

MOST_BYTES = 40_000
"""Length of all texts of a study together; MySQL keeps no more than 65,535 bytes in a value."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Stored):
    """A setting of one network.

    Attributes:
        domain: What is searched unless the study says otherwise.
        start: What is tried first.
    """

    domain: Domain
    start: Value


class Declaration(_Stored):
    """A network of a file; the attributes are those of `studies.networks.Network`."""

    name: str
    min_size_px: int
    preprocessing: str
    output: Output | None = None
    takes_classes: bool = False
    settings: dict[str, Setting] = {}


class NetworkFile(_Stored):
    """A file of networks.

    Attributes:
        name: What messages call it.
        text: What it says.
        networks: The networks it declares.
        needs_layers: Networks with layers that are not Keras's own: an exported model comes with
            what loads them.
        layers: Names of what is registered with Keras for these.
    """

    name: str
    text: str
    networks: tuple[Declaration, ...] = ()
    needs_layers: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The text, to be run."""
        return Source(self.name, self.text)


def declare(source: Source) -> NetworkFile:
    """Runs a file and returns the networks it declares.

    Raises:
        ModelError: It cannot be run, declares none, or uses a name that is taken; names the line.
    """
    module = source.run()
    if again := defined_twice(source):
        raise _taken(source, again.name, again.lineno)
    declared = (value for value in vars(module).values() if isinstance(value, Network))
    found = [n for n in dict.fromkeys(declared) if n.function.__module__ == module.__name__]
    if not found:
        raise ModelError(
            "A network file must declare a network with @network(…). "
            f"Received: {source.name}, which declares none."
        )
    for each in found:
        if each.name in BUILT_IN or each.name in parameter_table(BUILT_IN):
            raise _taken(source, each.name, line_of_function(source, each.name))
    return NetworkFile(
        name=source.name, text=source.text, networks=tuple(_declaration(each) for each in found)
    )


def _taken(source: Source, name: str, line: int) -> ModelError:
    return ModelError(
        f"{source.name}, line {line}: A network must have a name of its own, which no backbone and "
        f"no setting has. Received: {name!r}. Rename the function."
    )


def _declaration(found: Network) -> Declaration:
    return Declaration(
        name=found.name,
        min_size_px=found.min_size_px,
        preprocessing=found.preprocessing,
        output=found.output,
        takes_classes=found.takes_classes,
        settings={
            name: Setting(domain=domain, start=found.starts[name])
            for name, domain in found.settings.items()
        },
    )


def catalogue_of(files: Sequence[NetworkFile]) -> Catalogue:
    """Returns the backbones of a study that has these files.

    Raises:
        ModelError: Two of their networks have the same name.
    """
    return BUILT_IN.with_rows(*(_row(file, each) for file in files for each in file.networks))


def _row(file: NetworkFile, declared: Declaration) -> Backbone:
    source = file.source

    def construct(images_bhwc: Any, **settings: Any) -> Any:
        built: Network = getattr(source.run(), declared.name)
        register_classes(source)  # an exported file then names its layers as `layers_text` does
        try:
            with no_processes():
                return built.function(images_bhwc, **settings)
        except SystemExit as error:  # it would end a worker
            raise source.problem(error, declared.name) from error

    return Backbone(
        declared.name,
        construct,
        min_size_px=declared.min_size_px,
        preprocessing=declared.preprocessing,
        source=file.name,
        code=source.digest,
        output=declared.output,
        takes_classes=declared.takes_classes,
    )


def table_of(files: Sequence[NetworkFile]) -> ParameterTable:
    """Returns the settings of a study that has these files: everybody's, then the networks' own."""
    own = (
        OwnSetting(
            f"{each.name}.{name}",
            "model.own",
            f"setting of the network {each.name}",
            default=setting.domain,
            start=setting.start,
            when=(_chosen(each.name),),
        )
        for file in files
        for each in file.networks
        for name, setting in each.settings.items()
    )
    return parameter_table(catalogue_of(files)).with_rows(*own)


def _chosen(name: str) -> When:
    return When(("backbone",), lambda backbone: backbone == name, f"backbone is {name}")


@dataclass(frozen=True)
class OwnSetting(Parameter):
    """A setting of one network of the user's own, called `network.setting`."""

    @property
    def _key(self) -> str:
        return self.name.partition(".")[2]

    @property
    def type(self) -> Any:
        """The Python type of the values that were declared; `object` where they differ."""
        assert self.default is not None
        kinds = {type(value) for value in _examples(self.default)}
        return kinds.pop() if len(kinds) == 1 else float if kinds == {int, float} else object

    @property
    def default_value(self) -> Value | None:
        """What is tried first."""
        return self.start

    @property
    def allowed(self) -> str:
        """What its values may be, in words."""
        return _WORDS[self.type]

    def check(self, value: Any) -> Value:
        """Returns `value` in the form that is stored.

        Raises:
            ValueError: It is of another kind than the values declared.
        """
        kind = self.type
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) not in _WORDS or kind not in (object, type(value)):
            raise ValueError(f"{self.name} must be {self.allowed}. Received: {value!r}")
        checked: Value = value
        return checked

    def decode(self, value: Value) -> Any:
        """Returns the value itself."""
        return value

    def read(self, config: TrialConfig) -> Value:
        """Returns its value in a trial, empty where that has another network."""
        own = config.model.own
        return own.settings.get(self._key, "") if own else ""

    def write(self, sections: Mapping[str, dict[str, Any]], value: Value) -> None:
        """Writes its value among a trial's settings."""
        sections["model"].setdefault("own", {"settings": {}})["settings"][self._key] = value


def _examples(domain: Domain) -> tuple[Value, ...]:
    if isinstance(domain, Fixed):
        return (domain.value,)
    return domain.values if domain.kind == "choices" else (domain.low,)


_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    object: "a number, a text, or true or false",
}
