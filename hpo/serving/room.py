"""How much a server takes on at once; beyond it whoever asks is told to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException


@dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        bytes: Of a request's body.
        seconds: From a request's first byte to its answer.
        files: Of one request.
        pictures: That are in the house at once: read, waiting or worked on.
        bytes_inside: Of all bodies in the house.
    """

    bytes: int = 20_000_000
    seconds: float = 30.0
    files: int = 64
    pictures: int = 512
    bytes_inside: int = 500_000_000


class Guest:
    """The room that one request takes."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.pictures = 0
        self.bytes = 0

    def take(self, *, pictures: int = 0, size: int = 0) -> None:
        """Takes room for more pictures, and for more bytes.

        Raises:
            HTTPException: There is none (429).
        """
        house = self._house
        if (
            house.pictures + pictures > house.limits.pictures
            or house.bytes + size > house.limits.bytes_inside
        ):
            raise HTTPException(
                429,
                f"At most {house.limits.pictures} pictures may wait at once. "
                "Received: more than there is room for. Ask again later.",
                {"Retry-After": "1"},
            )
        self.pictures, self.bytes = self.pictures + pictures, self.bytes + size
        house.pictures, house.bytes = house.pictures + pictures, house.bytes + size


class House:
    """The room of a server. Only the thread that answers requests uses it.

    Attributes:
        limits: How much there is.
        pictures: How many are inside.
        bytes: Those of the bodies inside.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pictures = 0
        self.bytes = 0

    @contextmanager
    def guest(self) -> Iterator[Guest]:
        """Lets a request in, with room for one picture, until it is answered.

        Raises:
            HTTPException: There is no room (429).
        """
        guest = Guest(self)
        try:
            guest.take(pictures=1)
            yield guest
        finally:
            self.pictures -= guest.pictures
            self.bytes -= guest.bytes
