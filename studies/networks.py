"""How a user's file declares a network of their own: `@network` and what its settings may be.

KerasTuner asks for each setting inside the function that builds the model (`hp.Choice`,
`keras_tuner/src/engine/hypermodel.py`). Here they stand in the decorator, so that what is searched
is known, can be changed in [space] and drawn jointly before anything is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from models.backbone import Output
from models.errors import ModelError
from models.preprocessing import PREPROCESSING
from studies import domains
from studies.domains import Domain, Value
from studies.wording import complaint, did_you_mean

GIVEN = "classes"
"""The argument that is no setting: the number of classes."""


def Choice(*values: Value) -> Domain:  # noqa: N802 - reads as what it returns
    """One of several values without an order, such as `Choice(16, 32, 64)`."""
    return _checked(domains.Choices, "Choice", values=values)


def IntRange(  # noqa: N802
    low: int, high: int, *, step: int | None = None, log: bool = False
) -> Domain:
    """A whole number between two, both included; `log` searches it by orders of magnitude."""
    return _checked(domains.IntRange, "IntRange", low=low, high=high, step=step, log=log)


def FloatRange(  # noqa: N802
    low: float, high: float, *, step: float | None = None, log: bool = False
) -> Domain:
    """A number between two, both included; `log` searches it by orders of magnitude."""
    return _checked(domains.FloatRange, "FloatRange", low=low, high=high, step=step, log=log)


def _checked(kind: type[Any], name: str, **given: Any) -> Domain:
    try:
        domain: Domain = kind(**given)
    except ValidationError as error:
        found: dict[str, Any] = dict(error.errors()[0])
        location: tuple[Any, ...] = found["loc"]
        key = ".".join([name, *(part for part in location if isinstance(part, str))])
        raise ModelError(complaint(key, found)) from None
    return domain


@dataclass(frozen=True, eq=False)
class Network:
    """A network of the user's own.

    Attributes:
        function: Takes symbolic images (b, h, w, 3) and its settings by keywords.
        settings: Name to what may be searched for it.
        starts: Name to the value that is tried first.
        min_size_px: Smallest height and width of the images.
        preprocessing: Row of `models.preprocessing.PREPROCESSING`.
        output: What it returns that has its own output; None where it returns features.
    """

    function: Callable[..., Any]
    settings: Mapping[str, Domain]
    starts: Mapping[str, Value]
    min_size_px: int
    preprocessing: str
    output: Output | None

    @property
    def name(self) -> str:
        """What the space calls it: the name of the function."""
        return self.function.__name__

    @property
    def takes_classes(self) -> bool:
        """Whether the function is to be given the number of classes."""
        return GIVEN in inspect.signature(self.function).parameters

    def __call__(self, *images: Any, **settings: Any) -> Any:
        """Calls the function."""
        return self.function(*images, **settings)


def network(
    *,
    min_size_px: int = 8,
    preprocessing: str = "unit",
    output: Output | None = None,
    **settings: Domain | Value,
) -> Callable[[Callable[..., Any]], Network]:
    """Makes a function that builds a network of Keras layers part of the search.

    The function is called as `function(images, **settings)` with symbolic RGB images (b, h, w, 3)
    of static size. It returns a feature map (b, h', w', c) or a vector (b, c); pooling, head, loss
    and optimizer are added and searched as for any other network. With `output` it returns the
    whole network's output instead. Where it takes `classes`, it is given their number.

    The value that is tried first is the function's own default for a setting, or else the first
    choice and the middle of a range.

    Example:
        ```python
        @network(min_size_px=32, filters=Choice(16, 32, 64), depth=IntRange(2, 5))
        def plain(images, *, filters, depth): ...
        ```

    Args:
        min_size_px: Smallest height and width of the images.
        preprocessing: What pixels become: `unit` (0..1), `none` (0..255), `symmetric` (-1..1),
            `imagenet`, `imagenet_255` or `caffe`.
        output: `logits` (b, classes), `softmax` probabilities (b, classes) or `sigmoid`
            probabilities of the second class (b, 1); None if features are returned.
        settings: The network's settings: `Choice`, `IntRange`, `FloatRange`, or one value.

    Raises:
        ModelError: A value is not allowed, or the function does not take the settings.
    """
    if preprocessing not in PREPROCESSING:
        hint = did_you_mean(str(preprocessing), PREPROCESSING)
        raise ModelError(
            f"preprocessing must be one of {', '.join(PREPROCESSING)}. "
            f"Received: {preprocessing!r}. {hint}".strip()
        )
    if output is not None and output not in get_args(Output):
        raise ModelError(
            f"output must be one of {', '.join(get_args(Output))}, or left out. "
            f"Received: {output!r}."
        )
    if not isinstance(min_size_px, int) or not 1 <= min_size_px <= 4096:
        raise ModelError(
            f"min_size_px must be a whole number from 1 to 4096. Received: {min_size_px!r}."
        )
    declared = {name: _domain(name, value) for name, value in settings.items()}

    def declare(function: Callable[..., Any]) -> Network:
        starts = _starts(function, declared)
        return Network(function, declared, starts, min_size_px, preprocessing, output)

    return declare


def _domain(name: str, value: Any) -> Domain:
    if name == GIVEN:
        raise ModelError(
            f"{GIVEN} is no setting: the data decide about it. Received: {GIVEN}={value!r}. Leave "
            "it out of @network; the function may take it."
        )
    if isinstance(value, get_args(get_args(Domain)[0])):
        domain: Domain = value
        return domain
    if isinstance(value, get_args(Value)):
        return domains.Fixed(value=value)
    raise ModelError(
        f"The setting {name} must be Choice(…), IntRange(…), FloatRange(…), a number, a text or "
        f"True or False. Received: {value!r}."
    )


def _starts(function: Callable[..., Any], settings: Mapping[str, Domain]) -> dict[str, Value]:
    """Returns what is tried first of each setting.

    Raises:
        ModelError: The function does not take the settings, or needs others.
    """
    signature = inspect.signature(function)
    listed = list(signature.parameters.values())
    if not listed or listed[0].kind in (_BY_NAME, _EVERY):
        raise ModelError(
            "A network's function must take the images first. "
            f"Received: {function.__name__}{signature}."
        )
    taken = {each.name: each for each in listed[1:]}
    takes_all = any(each.kind is _EVERY for each in taken.values())
    named = {name for name, each in taken.items() if each.kind in (_BY_NAME, _EITHER)}
    if unknown := [name for name in settings if name not in named and not takes_all]:
        raise ModelError(
            "A network's function must take every setting of @network. "
            f"Received: {', '.join(unknown)}, which {function.__name__}() does not take."
        )
    needed = {name for name in named if taken[name].default is inspect.Parameter.empty}
    if missing := sorted(needed - settings.keys() - {GIVEN}):
        raise ModelError(
            "@network must name every setting that the function needs. "
            f"Received: {function.__name__}() without {', '.join(missing)}. Add them to @network, "
            "or give them defaults."
        )
    defaults = {name: taken[name].default for name in named - needed}
    return {name: _start(domain, defaults.get(name)) for name, domain in settings.items()}


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BY_NAME = inspect.Parameter.KEYWORD_ONLY
_EVERY = inspect.Parameter.VAR_KEYWORD


def _start(domain: Domain, default: Any) -> Value:
    if isinstance(default, (bool, int, float, str)) and domain.contains(default):
        return default
    if isinstance(domain, domains.Fixed):
        return domain.value
    if isinstance(domain, domains.Choices):
        return domain.values[0]
    middle = (domain.low * domain.high) ** 0.5 if domain.log else (domain.low + domain.high) / 2
    return domain.nearest(middle)
