"""What one searchable setting is; its type and allowed values come from the config it sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from studies.domains import Domain, Value
from studies.trial_config import TrialConfig
from studies.wording import names_like

NONE = "none"
"""How a list without any numbers is written, and the augmentation that changes nothing."""
_MANY_NAMES = 12


@dataclass(frozen=True)
class When:
    """A condition under which a parameter applies.

    Attributes:
        parameters: Names of earlier rows.
        holds: Whether it is met, given the values of those rows.
        text: The same in words, by which two conditions are compared.
    """

    parameters: tuple[str, ...]
    holds: Callable[..., bool] = field(compare=False)
    text: str


@dataclass(frozen=True)
class Parameter:
    """One setting.

    Attributes:
        name: What the TOML, the command line and Optuna call it.
        target: Where its value stands in a `TrialConfig`.
        help: What it is, in one line.
        default: What is searched unless the study says otherwise. None fixes the target's own
            default; a part of the augmentation is then left to the level, and what depends on the
            data is filled in by `studies.space.default_space`.
        start: The hand-chosen value of the very first trial, where it is not the default of the
            target.
        when: The conditions under which it is sampled; otherwise the target keeps its default.
        names: The names that a text may be.
        follows: Another row of the same target: what a study declares for that row holds for this
            one too unless it declares this one itself.
    """

    name: str
    target: str
    help: str
    default: Domain | None = None
    start: Value | None = None
    when: tuple[When, ...] = ()
    names: Sequence[str] = ()
    follows: str | None = None

    @property
    def condition(self) -> str:
        """Its conditions in words; empty without any."""
        return " and ".join(when.text for when in self.when)

    @cached_property
    def _field(self) -> FieldInfo | None:
        """The pydantic field of the target; None where a name stands for a whole section."""
        section, _, field = self.target.partition(".")
        config: Any = TrialConfig.model_fields[section].annotation
        found: FieldInfo | None = config.model_fields.get(field)
        return found

    @property
    def type(self) -> Any:
        """The Python type of the target."""
        return self._field.annotation if self._field else str

    @property
    def default_value(self) -> Value | None:
        """The default of the target, None where it has none."""
        if self._field is None:
            return NONE
        if self._field.is_required():
            return None
        return self.encode(self._field.default)

    @property
    def allowed(self) -> str:
        """What its values may be, in words."""
        if self.names:
            return "one of " + ", ".join(self.names)
        if get_origin(self.type) is Literal:
            return "one of " + ", ".join(get_args(self.type))
        if self.type is bool:
            return "true or false"
        if get_origin(self.type) is tuple:
            return f"numbers joined by '-' such as {'512-128' if self._whole else '0.5-1.5'}" + (
                f", or {NONE!r}" if self._whole else ""
            )
        bounds = [_BOUNDS[type(bound)](bound) for bound in (self._field or FieldInfo()).metadata]
        return ", ".join(["a whole number" if self.type is int else "a number", *bounds])

    @property
    def _whole(self) -> bool:
        return get_args(self.type)[0] is int

    def check(self, value: Any) -> Value:
        """Returns `value` in the form that is stored.

        Raises:
            ValueError: It is not allowed; says what is.
        """
        try:
            if self.names and value not in self.names:
                raise ValueError(value)
            return self.encode(self._adapter.validate_python(self.decode(value), strict=True))
        except (ValidationError, ValueError, TypeError) as error:
            raise ValueError(
                f"{self.name} must be {self._hint(value)}. Received: {value!r}"
            ) from error

    def _hint(self, value: Any) -> str:
        """What its values may be, in words; of very many names only those like `value`."""
        close = names_like(str(value), self.names)
        if close and len(self.names) > _MANY_NAMES:
            return f"one of {len(self.names)} names, such as {', '.join(close)}"
        return self.allowed

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        annotation: Any = self.type
        for bound in self._field.metadata if self._field else ():
            annotation = Annotated[annotation, bound]
        return TypeAdapter(annotation)

    def decode(self, value: Value) -> Any:
        """Returns what the target holds for a stored value: lists of numbers are stored as text."""
        if get_origin(self.type) is not tuple:
            return value
        if value == NONE:
            return ()
        number = int if self._whole else float
        numbers = tuple(number(part) for part in re.split(r"(?<!e)-", str(value)))
        if self._whole and min(numbers) < 1:
            raise ValueError(value)
        return numbers

    def read(self, config: TrialConfig) -> Value:
        """Returns the stored form of its value in a trial; its target is no whole section."""
        section, _, field = self.target.partition(".")
        return self.encode(getattr(getattr(config, section), field))

    def write(self, sections: Mapping[str, dict[str, Any]], value: Value) -> None:
        """Writes a stored value among the sections of a trial's settings."""
        section, _, field = self.target.partition(".")
        if field:  # a section as a whole is written already
            sections[section][field] = self.decode(value)

    def encode(self, value: Any) -> Value:
        """Returns the stored form of what the target holds."""
        if isinstance(value, tuple):
            return "-".join(str(number).removesuffix(".0") for number in value) or NONE
        stored: Value = value
        return stored


_BOUNDS: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {
        Ge: lambda bound: f"at least {bound.ge}",
        Gt: lambda bound: f"above {bound.gt}",
        Le: lambda bound: f"at most {bound.le}",
        Lt: lambda bound: f"below {bound.lt}",
    }
)
