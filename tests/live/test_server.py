"""Who may read a live page: this user's browser with the token, and no other site."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from alexc.live import require_extra
from alexc.live.server import LivePage, json_lines, serve
from alexc.runtime.errors import UserError

HERE = "http://127.0.0.1:8000"


async def _numbers(_request: Request) -> Response:
    async def values() -> AsyncIterator[object]:
        for number in range(3):
            yield {"number": number}

    return json_lines(values())


async def _data(_request: Request) -> Response:
    return JSONResponse({"secret": 1})


PAGE = LivePage("spec.html", [Route("/data", _data, methods=["GET", "POST"]), Route("/numbers", _numbers)])
TOKEN = {"Authorization": f"Bearer {PAGE.token}"}


def client(address: str = HERE) -> TestClient:
    return TestClient(PAGE.app(), base_url=address)


def test_the_page_needs_the_token_of_its_address() -> None:
    assert client().get("/").status_code == 403
    assert client().get("/?token=guessed").status_code == 403
    assert client().get("/?token=é").status_code == 403
    answer = client().get(PAGE.address(8000))
    assert answer.status_code == 200
    assert PAGE.token not in answer.text


def test_data_need_the_token_in_a_header() -> None:
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": f"Basic {PAGE.token}"}):
        for method in ("GET", "POST"):
            assert client().request(method, "/api/data", headers=headers).status_code == 403
    assert client().get(f"/api/data?token={PAGE.token}").status_code == 403
    assert client().get("/api/data", headers=TOKEN).json() == {"secret": 1}
    assert len(PAGE.token) >= 32
    assert LivePage("spec.html", []).token != PAGE.token


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "0.0.0.0:8000", ""])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    for path in ("/api/data", f"/?token={PAGE.token}", "/static/server.js"):
        assert client().get(path, headers={**TOKEN, "Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "localhost"])
def test_this_machine_has_two_names(host: str) -> None:
    assert client().get("/api/data", headers={**TOKEN, "Host": host}).status_code == 200
    own = {"Origin": f"http://{host}"}
    assert client().get("/api/data", headers={**TOKEN, **own, "Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_another_site_is_refused_also_with_the_token(headers: dict[str, str]) -> None:
    assert client().post("/api/data", headers={**TOKEN, **headers}).status_code == 403
    answer = client().options("/api/data", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_websocket_is_refused() -> None:
    for headers in ({}, TOKEN, {**TOKEN, "Origin": HERE}):
        with pytest.raises(WebSocketDisconnect), client().websocket_connect("/api/data", headers=headers):
            pass


def test_every_answer_is_protected() -> None:
    for path in (f"/?token={PAGE.token}", "/static/server.js", "/api/data"):
        headers = client().get(path, headers=TOKEN).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    page = client().get(PAGE.address(8000))
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.split("'nonce-")[1].split("'")[0] in page.text


def test_static_files_are_those_of_the_folder() -> None:
    assert client().get("/static/server.js").headers["content-type"].startswith("text/javascript")
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static/"):
        assert client().get(path).status_code == 404


def test_a_stream_is_lines_of_json() -> None:
    text = client().get("/api/numbers", headers=TOKEN).text
    assert text == '{"number": 0}\n{"number": 1}\n{"number": 2}\n'


def test_a_port_that_is_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} of 127.0.0.1 cannot be used \(.*\): name another with"):
            serve(PAGE, port=port, open_browser=False)
    with pytest.raises(UserError, match="port 70000"):
        serve(PAGE, port=70000, open_browser=False)


def test_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra()
    monkeypatch.setattr("alexc.live.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"live pages need starlette and uvicorn: pip install 'alexc\[live\]'"):
        require_extra()


def test_the_browser_opens_the_address_and_does_not_hold_the_server_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, closed, served = list[str](), threading.Event(), list[int]()

    def browser(address: str) -> None:
        opened.append(address)
        closed.wait(60)  # as a browser in the terminal does

    def run(_server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        served.append(sockets[0].getsockname()[1])
        sockets[0].close()
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(PAGE)
    closed.set()
    assert opened == [PAGE.address(served[0])]
    assert capsys.readouterr().out.splitlines()[0] == opened[0]
    serve(PAGE, open_browser=False)
    assert len(opened) == 1
