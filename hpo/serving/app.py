"""The server of one model as an ASGI application: its routes and their limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hpo.runtimes.model import Model
from hpo.serving.access import BearerAuth
from hpo.serving.heat_map import COVERED, covered, heat_map
from hpo.serving.openapi import description
from hpo.serving.pictures import PictureError, decode
from hpo.serving.uploads import Upload, read_uploads
from hpo.serving.workers import CrowdedError, Picture, Row, Workers

PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
"""Path to the file that is served there."""
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
OPEN_PATHS = frozenset({*PAGE, "/healthz"})
"""They tell nothing of the model, and can be had without the token."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        bytes: Of a request's body.
        seconds: From a request's first byte to its answer.
        pictures: That are in the house at once, read, waiting or worked on.
        files: Of one request.
    """

    bytes: int = 20_000_000
    seconds: float = 30.0
    pictures: int = 512
    files: int = 64


class Server:
    """Answers requests about one model."""

    def __init__(self, model: Model, name: str, workers: Workers, limits: Limits) -> None:
        self._model, self._name = model, name
        self._workers, self._limits = workers, limits

    async def healthz(self, request: Request) -> Response:
        """Whether it is there."""
        return JSONResponse({"status": "ok"})

    async def about(self, request: Request) -> Response:
        """What the model is and what is taken on."""
        return JSONResponse(
            {
                "model": self._name,
                "classes": list(self._model.classes),
                "limits": {"bytes": self._limits.bytes, "files": self._limits.files},
            }
        )

    async def openapi(self, request: Request) -> Response:
        """How to ask, for programs."""
        return JSONResponse(description(self._name, self._model.classes, self._limits))

    async def predict(self, request: Request) -> Response:
        """Classifies the pictures of a request."""
        top = self._top(request)
        async with self._answering() as room:
            uploads = await read_uploads(request, self._limits.bytes, self._limits.files)
            room(len(uploads))
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
        classes, named = list(self._model.classes), request.query_params.get("class")
        if named is not None and named not in classes:
            raise HTTPException(
                422,
                "?class= must name a class of the model. Received: another. GET /model lists them.",
            )
        async with self._answering() as room:
            (upload,) = await read_uploads(request, self._limits.bytes, 1)
            room(COVERED)
            try:
                pictures = await asyncio.to_thread(lambda: covered(self._decode(upload)))
            except PictureError as error:
                raise HTTPException(422, str(error)) from error
            rows = await self._classify([partial(_same, picture) for picture in pictures])
        sound = [row for row in rows if not isinstance(row, PictureError)]
        place = int(np.argmax(sound[0])) if named is None else classes.index(named)
        return JSONResponse(
            {
                "model": self._name,
                "class": classes[place],
                "probability": float(sound[0][place]),
                "falls": heat_map(sound, place),
            }
        )

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[Callable[[int], None]]:
        """Takes a request on if there is room, and gives it up when its time is over.

        Yields:
            What takes room for so many pictures instead of the first one's.

        Raises:
            HTTPException: There is no room (429), or no time left (503).
        """
        with self._room() as room:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    yield room
            except TimeoutError as error:
                raise HTTPException(
                    503,
                    f"A request must be answered within {self._limits.seconds:g} s. "
                    "Received: one that was not. Send less, or ask again later.",
                    {"Retry-After": "5"},
                ) from error

    @contextmanager
    def _room(self) -> Iterator[Callable[[int], None]]:
        taken = 0

        def take(pictures: int) -> None:
            nonlocal taken
            try:
                self._workers.enter(pictures - taken)
            except CrowdedError as error:
                raise HTTPException(
                    429,
                    f"At most {self._workers.most} pictures may wait at once. "
                    "Received: one more. Ask again later.",
                    {"Retry-After": "1"},
                ) from error
            taken = pictures

        try:
            take(1)  # before its body is read
            yield take
        finally:
            self._workers.leave(taken)

    def _decode(self, upload: Upload) -> Picture:
        return decode(upload.content, upload.name, self._model.metadata.reading)

    async def _classify(
        self, pictures: Sequence[Callable[[], Picture]]
    ) -> list[Row | PictureError]:
        answers = [asyncio.wrap_future(answer) for answer in self._workers.start(pictures)]
        found = await asyncio.gather(*answers, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException) and not isinstance(each, PictureError):
                raise each
        return found  # type: ignore[return-value]  # others were raised

    def _top(self, request: Request) -> int:
        classes = len(self._model.classes)
        text = request.query_params.get("top", str(classes))
        if not (text.isascii() and text.isdecimal() and int(text[:9]) >= 1):
            raise HTTPException(
                422, "?top= must be a whole number from 1 on. Received: another value."
            )
        return min(int(text[:9]), classes)

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


def make_app(model: Model, name: str, token: str | None, threads: int, limits: Limits) -> ASGIApp:
    """Returns the application.

    Args:
        model: A model that several threads may use at once.
        name: What the model is called; no path.
        token: What all must send who want more than the page; None lets everyone in.
        threads: How many pictures are worked on at once.
        limits: What is taken on.
    """
    workers = Workers(model, threads, limits.pictures)
    server = Server(model, name, workers, limits)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(workers.stop)

    routes = [
        *(Route(path, _served(file)) for path, file in PAGE.items()),
        Route("/healthz", server.healthz),
        Route("/model", server.about),
        Route("/openapi.json", server.openapi),
        Route("/predict", server.predict, methods=["POST"]),
        Route("/explain", server.explain, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    return BearerAuth(app, token, OPEN_PATHS) if token else app


def _served(file: str) -> Callable[[Request], Response]:
    content = (files("hpo.serving") / "page" / file).read_bytes()
    kind = TYPES[file.rpartition(".")[2]]
    return lambda request: Response(content, media_type=kind, headers=PAGE_HEADERS)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _failed(request: Request, error: Exception) -> Response:
    """A bug: its traceback goes to the error output, and nothing of it to whoever asked."""
    return JSONResponse({"error": "The server failed on this request."}, 500)
