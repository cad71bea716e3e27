"""What `alexc live` answers: views of the newest text, the files on disk, and saving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.testclient import TestClient

from alexc import Net, SpecError
from alexc.live import spec_page, spec_views
from alexc.live.spec_on_disk import SpecOnDisk
from alexc.live.spec_page import SpecPage
from alexc.live.spec_views import check, views
from tests.conftest import ROOT

ALEXNET = (ROOT / "spec" / "alexnet.net").read_text(encoding="utf-8")
SMALL = "network Small {\n  input 3x8x8\n\n  one: conv 4 kernel=3 -> relu\n  two: linear 10 -> softmax\n}\n"
View = dict[str, Any]


class Client:
    """A page's requests, with the token."""

    def __init__(self, *paths: Path) -> None:
        self.page = SpecPage(paths)
        live = self.page.page()
        headers = {"Authorization": f"Bearer {live.token}"}
        self._http = TestClient(live.app(), base_url="http://127.0.0.1:1", headers=headers)

    def get(self, name: str) -> View:
        """The answer to a GET."""
        answer: View = self._http.get(f"/api/{name}").json()
        return answer

    def post(self, name: str, content: object) -> httpx2.Response:
        """The answer to a POST."""
        return self._http.post(f"/api/{name}", content=json.dumps(content))  # lone surrogates become escapes

    def compile(self, *texts: str) -> list[View]:
        """The views of texts."""
        answer = self.post("compile", {"texts": texts, "theme": "light"})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


def views_of(text: str, path: Path) -> dict[str, View]:
    """The views of a text by their names; of Python files and plans, the last one."""
    return {str(view["view"]): view for view in views([check(text, path)], "light")}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.net"
    path.write_text(SMALL)
    return path


def test_a_new_kernel_moves_every_number(tmp_path: Path) -> None:
    path = tmp_path / "alexnet.net"
    path.write_text(ALEXNET)
    client = Client(path)
    before, after = (
        client.compile(ALEXNET),
        client.compile(ALEXNET.replace("kernel=11", "kernel=7")),
    )
    names = [view["view"] for view in before]
    assert names == ["findings", "table", "picture", *["python"] * 4, *["plan"] * 3]
    placements = ["two_gpus", "one_weird_trick", "pod"]
    assert [view["placement"] for view in before[3:]] == ["", *placements, *placements]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert old != new
    table = after[1]
    net = Net.from_text(ALEXNET.replace("kernel=11", "kernel=7"))
    assert table["counts"] == {
        "parameters": net.graph.parameters,
        "neurons": net.graph.neurons,
        "multiply-adds": net.graph.multiply_adds,
    }
    assert table["rows"][0][:5] == ["conv1", "conv", "image", "96x56x56", "14,112"]
    assert after[3]["text"] == net.python().replace("text.net", "alexnet.net")
    assert path.read_text() == ALEXNET


def test_a_layer_is_linked_in_all_views(tmp_path: Path) -> None:
    shown = views_of(ALEXNET, tmp_path / "alexnet.net")
    lines = {layer["name"]: layer["lines"] for layer in shown["table"]["layers"]}
    assert ALEXNET.splitlines()[lines["conv2.lrn"][0] - 1].strip().startswith("conv2:")
    assert lines["conv2"] == lines["conv2.lrn"] == [11]
    picture = shown["picture"]
    assert picture["svg"].count("<a id=") == len(picture["layers"]) == 8
    assert list(picture["layers"][1]) == ["conv2", "conv2.relu", "conv2.lrn", "conv2.maxpool"]
    python = shown["python"]["text"].splitlines()
    lines_of_lrn = [python[first - 1 : last] for first, last in shown["python"]["lines"]["conv2.lrn"]]
    assert [len(lines) for lines in lines_of_lrn] == [1] * len(lines_of_lrn)
    assert lines_of_lrn[0][0].strip().startswith("self.conv2_lrn = ")
    assert lines_of_lrn[1][0].strip().startswith("x = self.conv2_lrn(x)")


def test_the_lines_of_a_layer_are_those_that_make_it_or_change_it(tmp_path: Path) -> None:
    (tmp_path / "small.net").write_text(SMALL)
    variant = 'network Other extends "small.net" {\n  one: kernel=5\n  every relu: tanh\n}\n'
    layers = views_of(variant, tmp_path / "other.net")["table"]["layers"]
    assert {layer["name"]: layer["lines"] for layer in layers} == {
        "one": [2],
        "one.tanh": [2, 3],
        "two": [],
        "two.softmax": [],
    }
    blocks = (
        "block pair(n) {\n  a: conv n kernel=1 -> relu\n  b: conv n kernel=1\n}\n\nnetwork Deep {\n  input 3x8x8\n"
        "  repeat 2 { one: pair 4 }\n  out: linear 2 -> softmax\n}\n"
    )
    layers = views_of(blocks, tmp_path / "deep.net")["table"]["layers"]
    found = {layer["name"]: layer["lines"] for layer in layers}
    assert found["one1.a.relu"] == found["one2.a.relu"] == [2, 8]
    assert found["one2.b"] == [3, 8]


def test_findings_are_where_the_browser_counts_them(tmp_path: Path) -> None:
    text = SMALL.replace("network", "# 𝛼𝛽\nnetwork").replace("kernel=3", "kernel=three")
    shown = views_of(text, tmp_path / "small.net")
    assert list(shown) == ["findings"]
    assert shown["findings"]["good"] is False
    (finding,) = shown["findings"]["findings"]
    units = text.encode("utf-16-le")
    assert units[2 * finding["start"] : 2 * finding["end"]].decode("utf-16-le") == "three"
    assert (finding["line"], finding["severity"], finding["code"]) == (5, "error", "E0204")


def test_an_error_in_a_file_that_is_extended_is_shown_at_the_word_extends(tmp_path: Path) -> None:
    (tmp_path / "small.net").write_text(SMALL.replace("linear", "linaer"))
    variant = '# a comment\nnetwork Other extends "small.net" {\n  one: kernel=5\n}\n'
    (finding,) = views_of(variant, tmp_path / "other.net")["findings"]["findings"]
    assert finding["line"] == 2
    assert "small.net:5:" in finding["message"]
    missing = variant.replace("small.net", "none.net")
    (finding,) = views_of(missing, tmp_path / "other.net")["findings"]["findings"]
    assert finding["line"] == 2


def test_two_specs_show_their_differences(spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.net"
    other.write_text(SMALL.replace("conv 4", "conv 6"))
    client = Client(spec, other)
    found = client.compile(SMALL, other.read_text())
    (differences,) = [view for view in found if view["view"] == "differences"]
    assert differences["same"] is False
    assert [layer["layer"] for layer in differences["layers"]] == ["one", "two"]
    assert differences["layers"][0]["what"][0] == "kernels 4 -> 6"
    assert differences["weights"]["load"] is False
    assert {view["spec"] for view in found if view["view"] == "table"} == {0, 1}
    same = client.compile(SMALL, SMALL)
    assert next(view for view in same if view["view"] == "differences")["same"] is True
    broken = client.compile(SMALL, SMALL.replace("conv", "cnv"))
    assert [view["view"] for view in broken if view.get("spec") == 0] == ["findings", "table", "picture", "python"]
    assert "differences" not in [view["view"] for view in broken]


def test_a_plan_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    text = ALEXNET.replace("batch     128", "batch     129")
    plans = [view for view in views([check(text, tmp_path / "a.net")], "dark") if view["view"] == "plan"]
    assert [table["header"][0] for table in plans[0]["parts"] if isinstance(table, dict)] == [  # type: ignore[attr-defined]
        "device",
        "reader",
        "layer",
    ]
    assert "batch 129: the 8 devices of one_weird_trick" in str(plans[1]["problem"])


def test_a_network_that_no_browser_can_draw_shows_its_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_views, "MOST_LAYERS", 3)
    text = SMALL.replace("  two:", "  more: conv 4 kernel=1\n  two:") + "\nplacement p {\n  mesh gpu=1\n}\n"
    checked = check(text, tmp_path / "a.net")
    shown = {str(view["view"]): view for view in views([checked, checked], "light")}
    assert [row[0] for row in shown["table"]["rows"]] == ["one", "more"]  # type: ignore[attr-defined]
    assert shown["table"]["note"] == "1 further lines are not shown"
    assert len(shown["table"]["layers"]) == 3  # type: ignore[arg-type]
    for name, command in (("picture", "draw"), ("python", "compile"), ("plan", "plan"), ("differences", "diff")):
        problem = f"This network has 5 layers; the page shows up to 3: use alexc {command}"
        assert shown[name]["problem"] == problem


def test_the_page_gets_its_files_and_the_rules_of_the_language(spec: Path) -> None:
    found = Client(spec).get("specs")
    (file,) = found["specs"]
    assert file["text"] == SMALL
    assert file["name"] == str(spec)
    assert len(file["digest"]) == 64
    assert ["number"] in [roles for _, roles in found["grammar"]]


def test_saving_writes_the_file_and_refuses_one_that_has_changed(spec: Path) -> None:
    spec.chmod(0o640)
    client = Client(spec)
    digest = client.get("specs")["specs"][0]["digest"]
    edited = SMALL.replace("kernel=3", "kernel=5")
    saved = client.post("save", {"spec": 0, "text": edited, "digest": digest})
    assert saved.status_code == 200
    assert spec.read_text() == edited
    assert spec.stat().st_mode & 0o777 == 0o640

    spec.write_text("# from another editor\n")
    refused = client.post("save", {"spec": 0, "text": SMALL, "digest": saved.json()["digest"]})
    assert refused.status_code == 409
    assert refused.json()["text"] == spec.read_text() == "# from another editor\n"
    again = client.post("save", {"spec": 0, "text": SMALL, "digest": refused.json()["digest"]})
    assert again.status_code == 200
    assert spec.read_text() == SMALL

    spec.unlink()
    gone = client.post("save", {"spec": 0, "text": SMALL, "digest": again.json()["digest"]})
    assert (gone.status_code, gone.json()["text"], gone.json()["digest"]) == (409, None, "")
    assert client.post("save", {"spec": 0, "text": SMALL, "digest": ""}).status_code == 200
    assert spec.read_text() == SMALL


def test_saving_keeps_line_ends_the_mark_and_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.net", tmp_path / "link.net"
    real.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    link.symlink_to(real)
    file = SpecOnDisk(link)
    version = file.now()
    assert version.text == SMALL
    file.save(SMALL.replace("kernel=3", "kernel=5"), version.digest)
    assert real.read_bytes() == b"\xef\xbb\xbf" + SMALL.replace("kernel=3", "kernel=5").replace("\n", "\r\n").encode()
    assert link.is_symlink()


@pytest.mark.posix
def test_a_file_that_became_a_pipe_is_a_problem_and_not_waited_for(spec: Path) -> None:
    file = SpecOnDisk(spec)
    spec.unlink()
    os.mkfifo(spec)
    now = file.now()
    assert (now.text, now.digest) == (None, "")
    assert now.problem.endswith("cannot be read: it is not a file")


def test_a_text_or_a_folder_that_cannot_be_written_is_an_answer(spec: Path) -> None:
    client = Client(spec)
    digest = client.get("specs")["specs"][0]["digest"]
    answer = client.post("save", {"spec": 0, "text": "\ud800", "digest": digest})
    assert answer.status_code == 500
    assert "half of a surrogate pair" in answer.json()["problem"]
    spec.write_bytes(b"\xff")
    answer = client.post("save", {"spec": 0, "text": SMALL, "digest": digest})
    assert answer.status_code == 409
    assert "is not UTF-8 text" in answer.json()["problem"]
    assert spec.read_bytes() == b"\xff"


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"texts": [], "theme": "light"},
        {"texts": [SMALL], "theme": "red"},
        {"texts": [1], "theme": "dark"},
        {"spec": 5, "text": "", "digest": ""},
        {"spec": -1, "text": "", "digest": ""},
    ],
    ids=str,
)
def test_a_request_of_another_form_is_refused(spec: Path, content: object) -> None:
    for name in ("compile", "save"):
        assert Client(spec).post(name, content).status_code == 400
    assert spec.read_text() == SMALL


def test_a_request_that_is_too_large_is_refused(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_page, "_LARGEST_REQUEST", 1000)
    assert Client(spec).post("compile", {"texts": ["#" * 1000], "theme": "light"}).status_code == 400


@pytest.mark.parametrize("text", ["", "\0", "network", "network A {", "\ud800", "# é\r\n\tx", "𝛼" * 100])
def test_any_text_has_findings(text: str, tmp_path: Path) -> None:
    shown = views_of(text, tmp_path / "a.net")
    assert list(shown) == ["findings"]
    assert shown["findings"]["findings"]
    json.dumps(shown).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.net", None, "there is no such file"),
        ("net.prototxt", "layer {}", "a live page edits `.net` files; convert others first: alexc import"),
        ("bytes.net", "\0", "zero byte"),
    ],
)
def test_a_file_that_is_no_spec_is_an_error_at_the_start(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SpecError, match=message):
        SpecPage([tmp_path / name])


def test_a_change_of_a_file_is_told(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_page, "_PAUSE", 0.01)
    variant = tmp_path / "variant.net"
    variant.write_text('network Other extends "small.net" {\n  one: kernel=5\n}\n')
    client = Client(variant)
    client.compile(variant.read_text())

    async def told() -> list[View]:
        changes = client.page.changes()
        return [
            await _next(changes, lambda: variant.write_text("# new\n")),
            await _next(changes, lambda: spec.write_text(SMALL.replace("kernel=3", "kernel=1"))),
            await _next(changes, variant.unlink),
        ]

    changed, extended, gone = anyio.run(told)
    assert (changed["spec"], changed["text"]) == (0, "# new\n")
    assert extended == {"extended": True}
    assert (gone["text"], gone["digest"]) == (None, "")


async def _next(changes: AsyncIterator[View], change: Callable[[], object]) -> View:
    """The next value of a stream, which a change leads to."""
    found: list[View] = []

    async def read() -> None:
        found.append(await anext(changes))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.sleep(0.1)  # the stream has looked at the files
        change()
    return found[0]


def test_a_text_that_takes_long_neither_blocks_the_page_nor_goes_on(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer text is compiled meanwhile. The older one stops after the step that it is in."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    steps: list[str] = []

    def slow_check(text: str, path: Path) -> object:
        if "# slow" in text:
            steps.append("check")
            begun.set()
            go_on.wait(60)
            ended.set()
        return check(text, path)

    monkeypatch.setattr(spec_page, "check", slow_check)
    monkeypatch.setattr(spec_page, "views", lambda checked, theme: _noted(views(checked, theme), steps))
    page = SpecPage([spec])

    async def type_twice() -> list[str]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_all, page, "# slow\n" + SMALL)
            while not begun.is_set():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()  # as the browser does when there is a newer text
        newest = await _all(page, SMALL)
        go_on.set()
        while not ended.is_set():
            await anyio.sleep(0.01)
        return newest

    assert anyio.run(type_twice) == ["findings", "table", "picture", "python"]
    assert [name for name in steps if name != "findings"] == ["check", "table", "picture", "python"]


async def _all(page: SpecPage, text: str) -> list[str]:
    return [str(view["view"]) async for view in page._views([text], "light")]


def _noted(steps: Any, names: list[str]) -> Any:  # noqa: ANN401 - an iterator of views
    for view in steps:
        names.append(view["view"])
        yield view


def test_the_page_imports_neither_torch_nor_numpy(spec: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from alexc.live.spec_page import SpecPage\n"
        "page = SpecPage([Path(sys.argv[1])])\n"
        "page.page().app()\n"
        "assert [view['view'] for view in page._steps([Path(sys.argv[1]).read_text()], 'light')][-1] == 'python'\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code, str(spec)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
