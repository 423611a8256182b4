"""The values one parameter may take, as JSON that is stored with a study."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from typing import Self

    from optuna.trial import BaseTrial

Value = bool | int | float | str
"""What Optuna can keep of a parameter."""
SWITCH = "_on"
"""End of the name of the parameter that says whether a penalty is there at all."""


class _Domain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def searched(self) -> bool:
        """Whether there is something to choose."""
        return True

    def params(self, name: str, value: Value) -> dict[str, Value]:
        """Returns the Optuna parameters that make `suggest` return `value`, which lies in here."""
        return {name: value}


class Fixed(_Domain):
    """One value, which Optuna is not asked for."""

    kind: Literal["fixed"] = "fixed"
    value: Value

    @property
    def searched(self) -> bool:
        """Never."""
        return False

    def __str__(self) -> str:
        return str(self.value)

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        """Returns the value."""
        return self.value

    def contains(self, value: Value) -> bool:
        """Returns whether it is the value."""
        return value == self.value

    def nearest(self, value: Value) -> Value:
        """Returns the value."""
        return self.value

    def params(self, name: str, value: Value) -> dict[str, Value]:
        """Returns nothing: there is nothing to propose."""
        return {}


class Choices(_Domain):
    """One of several values without an order."""

    kind: Literal["choices"] = "choices"
    values: tuple[Value, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        """Returns the choice that the trial proposes."""
        choice: Any = trial.suggest_categorical(name, self.values)
        value: Value = choice
        return value

    def contains(self, value: Value) -> bool:
        """Returns whether it is one of the choices."""
        return value in self.values

    def nearest(self, value: Value) -> Value:
        """Returns `value`, or the closest choice of a number, or the first choice."""
        numbers = [choice for choice in self.values if not isinstance(choice, str)]
        if value in self.values or isinstance(value, str) or not numbers:
            return value if value in self.values else self.values[0]
        wanted = value
        return min(numbers, key=lambda choice: abs(choice - wanted))


class _Range(_Domain):
    """What both kinds of range need to hold."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high, step, log = (getattr(self, key) for key in ("low", "high", "step", "log"))
        if low > high:
            raise ValueError(f"low must not be above high. Received: low = {low}, high = {high}")
        if log and low <= 0:
            raise ValueError(
                f"low must be above 0 for log = true. Received: low = {low}. Write log = false"
            )
        if log and step is not None:
            raise ValueError(f"step and log = true exclude each other. Received: step = {step}")
        if step is not None and (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
            raise ValueError(
                "high must be low plus a whole number of steps. "
                f"Received: low = {low}, high = {high}, step = {step}"
            )
        return self

    def _text(self) -> str:
        low, high, step, log = (getattr(self, key) for key in ("low", "high", "step", "log"))
        scale = " (log)" if log else f" in steps of {step:g}" if step else ""
        return f"{low:g} to {high:g}{scale}"


def _on_step(value: float, low: float, step: float | None) -> bool:
    """Returns whether Optuna would propose it: steps add up in floating point."""
    steps = 0.0 if step is None else (value - low) / step
    return abs(steps - round(steps)) < 1e-8


class FloatRange(_Range):
    """A range of numbers, both ends included, and with `zero` also 0.

    A penalty that may be absent needs both: on a logarithmic scale there is no 0. Whether it is
    absent is a parameter of its own, `<name>_on`.
    """

    kind: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    zero: bool = False

    def __str__(self) -> str:
        return "0 or " * self.zero + self._text()

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        """Returns the number that the trial proposes."""
        if self.zero and not trial.suggest_categorical(f"{name}{SWITCH}", (True, False)):
            return 0.0
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: Value) -> bool:
        """Returns whether it lies in the range."""
        if isinstance(value, (bool, str)):
            return False
        if self.zero and value == 0:
            return True
        return self.low <= value <= self.high and _on_step(value, self.low, self.step)

    def nearest(self, value: Value) -> Value:
        """Returns `value`, or the end of the range it lies beyond, or the step below it."""
        if self.contains(value):
            return value
        inside = min(max(float(value), self.low), self.high)
        if self.step is None:
            return inside
        return self.low + (inside - self.low) // self.step * self.step

    def params(self, name: str, value: Value) -> dict[str, Value]:
        """Returns the Optuna parameters that make `suggest` return `value`."""
        if not self.zero:
            return {name: value}
        return {f"{name}{SWITCH}": True, name: value} if value else {f"{name}{SWITCH}": False}


class IntRange(_Range):
    """A range of whole numbers, both ends included."""

    kind: Literal["int"] = "int"
    low: int
    high: int
    log: bool = False
    step: int | None = Field(default=None, ge=1)

    def __str__(self) -> str:
        return self._text()

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        """Returns the number that the trial proposes."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    def contains(self, value: Value) -> bool:
        """Returns whether it lies in the range."""
        if isinstance(value, (bool, str)):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0

    def nearest(self, value: Value) -> Value:
        """Returns `value`, or the end of the range it lies beyond, or the step below it."""
        inside = min(max(int(value), self.low), self.high)
        return inside - (inside - self.low) % (self.step or 1)


Domain = Annotated[Fixed | Choices | FloatRange | IntRange, Field(discriminator="kind")]
