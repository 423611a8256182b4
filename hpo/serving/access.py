"""Who may ask: everyone on this machine, and elsewhere whoever knows the token."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hpo.listening import is_loopback
from studies.errors import StudyError

TOKEN_VARIABLE = "HPO_SERVE_TOKEN"  # noqa: S105 - its name, not its value


def check_access(host: str, token: str | None) -> None:
    """Refuses to let other machines in without a token.

    Raises:
        StudyError: The host is not this machine alone, and there is no token.
    """
    if is_loopback(host) or token:
        return
    raise StudyError(
        "Other machines may only ask with a token. "
        f"Received: --host {host} and no {TOKEN_VARIABLE}. Set it to a long random text, which "
        "clients send as `Authorization: Bearer …`, or stay on 127.0.0.1."
    )


class BearerAuth:
    """Lets requests through only with a token (RFC 6750), but for those to a few open paths."""

    def __init__(self, app: ASGIApp, token: str, open_paths: frozenset[str]) -> None:
        self._app, self._open = app, open_paths
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or asks for the token."""
        if scope["type"] == "http" and scope["path"] not in self._open:
            sent = Headers(scope=scope).get("authorization", "")
            if not hmac.compare_digest(sent.encode("latin-1"), self._expected):
                refusal = JSONResponse(
                    {"error": "The token is needed: `Authorization: Bearer …`."},
                    401,
                    {"WWW-Authenticate": "Bearer"},
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
