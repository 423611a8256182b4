"""What is answered to each kind of request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hpo.runtimes.model import Model
from hpo.serving.heat_map import COVERED, covered, heat_map
from hpo.serving.openapi import description
from hpo.serving.pictures import PictureError, decode
from hpo.serving.room import Guest, House
from hpo.serving.uploads import Upload, read_uploads
from hpo.serving.workers import Picture, Row, Workers


class Answers:
    """Answers requests about one model."""

    def __init__(self, model: Model, name: str, workers: Workers, house: House) -> None:
        self._model, self._name = model, name
        self._workers, self._house = workers, house
        self._limits = house.limits

    async def healthz(self, request: Request) -> Response:
        """Whether it is there."""
        return JSONResponse({"status": "ok"})

    async def about(self, request: Request) -> Response:
        """What the model is and what is taken on."""
        limits = {"bytes": self._limits.bytes, "files": self._limits.files}
        classes = list(self._model.classes)
        return JSONResponse({"model": self._name, "classes": classes, "limits": limits})

    async def openapi(self, request: Request) -> Response:
        """How to ask, for programs."""
        return JSONResponse(description(self._name, self._model.classes, self._limits))

    async def predict(self, request: Request) -> Response:
        """Classifies the pictures of a request."""
        top = self._top(request)
        async with self._in_time() as guest:
            uploads = await read_uploads(request, guest, self._limits)
            guest.take(pictures=len(uploads) - 1)
            found = await self._classify([partial(self._decode, upload) for upload in uploads])
        predictions = [
            {"file": upload.name, **self._said(row, top)}
            for upload, row in zip(uploads, found, strict=True)
        ]
        bad = all("error" in prediction for prediction in predictions)
        answer = {"model": self._name, "predictions": predictions}
        return JSONResponse(answer, 422 if bad else 200)

    async def explain(self, request: Request) -> Response:
        """Maps the parts of one picture that a class's probability hangs on."""
        named = self._class(request)
        async with self._in_time() as guest:
            upload, *others = await read_uploads(request, guest, self._limits)
            if others:
                raise HTTPException(400, "A map is of one picture. Received: more. Send one.")
            guest.take(pictures=COVERED - 1)
            try:
                pictures = await asyncio.to_thread(lambda: covered(self._decode(upload)))
            except PictureError as error:
                raise HTTPException(422, str(error)) from error
            rows = await self._classify([partial(_same, picture) for picture in pictures])
        sound = [row for row in rows if not isinstance(row, PictureError)]
        place = int(np.argmax(sound[0])) if named is None else named
        return JSONResponse(
            {
                "model": self._name,
                "class": self._model.classes[place],
                "probability": float(sound[0][place]),
                "falls": heat_map(sound, place),
            }
        )

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[Guest]:
        """Lets a request in if there is room, and gives it up when its time is over.

        Raises:
            HTTPException: There is no room (429), or no time left (503).
        """
        with self._house.guest() as guest:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    yield guest
            except TimeoutError as error:
                raise HTTPException(
                    503,
                    f"A request must be answered within {self._limits.seconds:g} s. "
                    "Received: one that was not. Send less, or ask again later.",
                    {"Retry-After": "5"},
                ) from error

    def _decode(self, upload: Upload) -> Picture:
        return decode(upload.content, upload.name, self._model.metadata.reading)

    async def _classify(
        self, pictures: Sequence[Callable[[], Picture]]
    ) -> list[Row | PictureError]:
        answers = [asyncio.wrap_future(answer) for answer in self._workers.start(pictures)]
        found: list[Row | PictureError] = []
        for each in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(each, BaseException) and not isinstance(each, PictureError):
                raise each
            found.append(each)
        return found

    def _top(self, request: Request) -> int:
        classes = len(self._model.classes)
        text = request.query_params.get("top", str(classes))
        if not (text.isascii() and text.isdecimal() and int(text[:9]) >= 1):
            raise HTTPException(
                422, "?top= must be a whole number from 1 on. Received: another value."
            )
        return min(int(text[:9]), classes)

    def _class(self, request: Request) -> int | None:
        named = request.query_params.get("class")
        if named is None:
            return None
        if named not in self._model.classes:
            raise HTTPException(
                422,
                "?class= must name a class of the model. Received: another. GET /model lists them.",
            )
        return self._model.classes.index(named)

    def _said(self, row: Row | PictureError, top: int) -> dict[str, Any]:
        if isinstance(row, PictureError):
            return {"error": str(row)}
        likeliest = np.argsort(-row, kind="stable")[:top]
        return {
            "classes": [
                {"class": self._model.classes[i], "probability": float(row[i])} for i in likeliest
            ]
        }


def _same(picture: Picture) -> Picture:
    return picture
