"""What a request brings: one picture as its body, or several as the files of a form."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hpo.serving.room import Guest, Limits

# It warns of each body that is no form, and whoever sends one is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

RAW = "picture"
"""Name of a picture that came without one."""


@dataclass(frozen=True)
class Upload:
    """One file.

    Attributes:
        name: What its sender calls it.
        content: Its bytes.
    """

    name: str
    content: bytes


class _InMemory(MultiPartParser):
    """Keeps files in memory, where the body's limit bounds them; a container may have no disk."""

    spool_max_size = sys.maxsize


async def read_uploads(request: Request, guest: Guest, limits: Limits) -> list[Upload]:
    """Returns the pictures of a request, one at least.

    Args:
        request: Its body is read here.
        guest: Takes the room for the body.
        limits: Of the body.

    Raises:
        HTTPException: The body is too large (413), there is no room for it (429), or it holds no
            picture or no whole form (400).
    """
    body = _limited(request, guest, limits.bytes)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        uploads = await _read_form(request, body, limits.files)
    else:
        content = b"".join([chunk async for chunk in body])
        uploads = [Upload(RAW, content)] if content else []
    if not uploads:
        raise HTTPException(
            400,
            "A request must bring a picture, as its body or as files of a form. Received: none. "
            "Try: curl --data-binary @cat.jpg, or curl -F file=@cat.jpg",
        )
    return uploads


async def _limited(request: Request, guest: Guest, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body, chunk by chunk, up to its limit."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        _check_size(int(announced), most_bytes)
    async for chunk in request.stream():
        guest.take(size=len(chunk))
        _check_size(guest.bytes, most_bytes)
        yield chunk


def _check_size(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise HTTPException(
            413,
            f"A request must have at most {most_bytes:,} bytes. Received: {size:,} or more. "
            "Send fewer or smaller pictures.",
        )


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], most_files: int
) -> list[Upload]:
    parser = _InMemory(request.headers, body, max_files=most_files, max_fields=most_files)
    try:
        form = await parser.parse()
    except (MultiPartException, LookupError, ValueError) as error:
        raise HTTPException(
            400,
            f"A form must be whole and have at most {most_files} files. "
            "Received: another body. Send files as curl -F file=@cat.jpg does.",
        ) from error
    uploads = [
        Upload(value.filename or RAW, await value.read())
        for _, value in form.multi_items()
        if isinstance(value, UploadFile)
    ]
    await form.close()
    return uploads
