"""A server for one page that only this user's browser can read: address, token, and what each request must bring.

Any web page that the user visits can send requests to 127.0.0.1, and any user of this machine can open its ports. So
everything but the page's own files needs the token, which is in the address that the command prints:

- DNS rebinding, where a foreign name leads to 127.0.0.1: the Host header must name this machine.
- Requests from a page of another site: an Origin header must name this server, and the token must be in a header
  `Authorization`, which a browser lets no other site send. There are no cookies.
- Scripts from elsewhere, and the page in a frame: the policy of the page's headers forbids them.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from string import Template
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alexc.runtime.errors import UserError

HOST = "127.0.0.1"
_NAMES = [HOST, "localhost"]
_STATIC = files("alexc.live").joinpath("static")
_SHUTDOWN_SECONDS = 1  # for answers that have not ended, such as a stream of changes


@dataclass(frozen=True)
class LivePage:
    """A page, and the routes that it asks for data.

    Attributes:
        file: the name of its HTML file in `static/`; `$nonce` in it is replaced by the nonce of the style policy.
        routes: its data. Their paths are below `/api/`; a request without the token does not reach them.
        token: the token; by default a new one.
    """

    file: str
    routes: Sequence[BaseRoute]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def app(self) -> Starlette:
        """The application: `/?token=…` is the page, `/static/…` are its scripts and styles, `/api/…` its data."""
        routes = [
            Route("/", self._page, methods=["GET"]),
            Mount("/static", StaticFiles(directory=str(_STATIC))),
            Mount("/api", routes=list(self.routes), middleware=[Middleware(_WithToken, token=self.token)]),
        ]
        guards = [Middleware(TrustedHostMiddleware, allowed_hosts=_NAMES), Middleware(_SameOrigin)]
        return Starlette(routes=routes, middleware=guards)

    def address(self, port: int) -> str:
        """The address of the page with its token."""
        return f"http://{HOST}:{port}/?token={self.token}"

    async def _page(self, request: Request) -> Response:
        if not _equal(request.query_params.get("token", ""), self.token):
            message = "The token is missing or wrong. Open the address that the command printed."
            return PlainTextResponse(message, status_code=403)
        nonce = secrets.token_urlsafe(16)
        text = Template(_STATIC.joinpath(self.file).read_text(encoding="utf-8")).substitute(nonce=nonce)
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
            "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def serve(page: LivePage, *, port: int = 0, open_browser: bool = True) -> None:
    """Serve a page on 127.0.0.1 until Ctrl-C. Prints its address, and opens it in the user's browser.

    Args:
        page: the page.
        port: the port; 0 takes a free one.
        open_browser: whether to open the address.

    Raises:
        UserError: the port is in use, or is not allowed.
    """
    listening = _listen(port)
    address = page.address(listening.getsockname()[1])
    print(f"{address}\nCtrl-C ends the server.", flush=True)
    if open_browser:
        # The socket listens, so the browser waits for the server. In a thread: some browsers end only with their page.
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    config = uvicorn.Config(
        page.app(), log_level="critical", ws="none", timeout_graceful_shutdown=_SHUTDOWN_SECONDS, server_header=False
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        print(file=sys.stderr)  # Ctrl-C is how the command ends


def json_lines(values: AsyncIterator[object]) -> StreamingResponse:
    """An answer that goes on: each value is a line of JSON, sent when it is there. `follow` in `server.js` reads it."""

    async def lines() -> AsyncIterator[str]:
        async for value in values:
            yield json.dumps(value) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off: otherwise each answer takes 40 ms more.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it lets two servers have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or "a port is a number up to 65535"
        raise UserError(f"port {port} of {HOST} cannot be used ({reason}): name another with --port") from None
    return listening


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


class _SameOrigin:
    """Refuses what a page of another site asks for, and every WebSocket; adds the headers that protect all answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif origin not in (None, f"http://{headers.get('host')}") or (site == "cross-site" and scope["path"] != "/"):
            await PlainTextResponse("This server answers only its own page.", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, _protected(send))


class _WithToken:
    """Refuses a request that does not bring the token in its header `Authorization: Bearer TOKEN`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme == "Bearer" and _equal(given, self._token):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("The token is missing or wrong.", 403)(scope, receive, send)


def _protected(send: Send) -> Send:
    added = {
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(added)
        await send(message)

    return with_headers
