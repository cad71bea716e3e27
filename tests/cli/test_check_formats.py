"""`alexc check` says the same in every format, and each format has the form that its readers expect."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from alexc.compiler.text.diagnostics import TITLES
from tests.conftest import ROOT, Alexc

pytestmark = pytest.mark.slow  # most start the command line

FORMATS = ("text", "json", "sarif", "github")
SPECS = [
    f"tests/compiler/broken_specs/{name}.net" for name in ("several_mistakes", "reads_missing", "syntax_end_of_file")
]
CODES = ["E0202", "E0201", "E0204", "E0301", "E0101"]


def report(alexc: Alexc, format_: str, *specs: str, cwd: Path = ROOT) -> str:
    result = alexc("check", "--format", format_, *specs, cwd=cwd)
    assert (result.returncode, result.stderr) == (1, "")
    return result.stdout


def sarif(alexc: Alexc, *specs: str, cwd: Path = ROOT) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(report(alexc, "sarif", *specs, cwd=cwd))
    return log


def test_the_same_findings_in_every_format(alexc: Alexc) -> None:
    text = report(alexc, "text", *SPECS)
    places = [(file, int(line), int(column)) for file, line, column in re.findall(r"--> (.+?):(\d+):(\d+)", text)]
    assert re.findall(r"^error\[(E\d+)\]", text, re.MULTILINE) == CODES

    told = json.loads(report(alexc, "json", *SPECS))
    assert told["specs"] == SPECS
    assert [each["code"] for each in told["findings"]] == CODES
    assert {each["severity"] for each in told["findings"]} == {"error"}
    assert [(each["file"], each["line"], each["column"]) for each in told["findings"]] == places

    results = sarif(alexc, *SPECS)["runs"][0]["results"]
    assert [each["ruleId"] for each in results] == CODES
    physical = [each["locations"][0]["physicalLocation"] for each in results]
    regions = [(p["artifactLocation"]["uri"], p["region"]["startLine"], p["region"]["startColumn"]) for p in physical]
    assert regions == places

    lines = report(alexc, "github", *SPECS).splitlines()
    found = [
        re.match(r"::error file=(.+?),line=(\d+),col=(\d+),endLine=\d+,endColumn=\d+,title=(E\d+)%3A ", each)
        for each in lines
    ]
    assert [each and each.group(4) for each in found] == CODES
    assert [each and (each.group(1), int(each.group(2)), int(each.group(3))) for each in found] == places


@pytest.mark.parametrize("format_", FORMATS)
def test_a_sound_spec_in_every_format(alexc: Alexc, format_: str) -> None:
    result = alexc("check", "--format", format_, "spec/alexnet.net", cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    expected = {"text": "spec/alexnet.net: no errors\n", "github": ""}
    if format_ in expected:
        assert result.stdout == expected[format_]
    elif format_ == "json":
        assert json.loads(result.stdout) == {"specs": ["spec/alexnet.net"], "findings": []}
    else:
        assert json.loads(result.stdout)["runs"][0]["results"] == []


@pytest.mark.parametrize("format_", FORMATS)
def test_a_missing_file_in_every_format(alexc: Alexc, format_: str) -> None:
    result = alexc("check", "--format", format_, "nowhere.net")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: nowhere.net: there is no such file")


def test_the_place_is_the_text_it_stands_for(alexc: Alexc) -> None:
    for each in json.loads(report(alexc, "json", *SPECS))["findings"]:
        for place in (each, *each["related"]):
            lines = (ROOT / place["file"]).read_text().split("\n")
            assert place["end_line"] == place["line"]
            marked = lines[place["line"] - 1][place["column"] - 1 : place["end_column"] - 1]
            assert marked == "" if each["code"] == "E0101" else marked == marked.strip() != ""


def test_the_form_of_sarif(alexc: Alexc) -> None:
    """What SARIF 2.1.0 requires (sections 3.13, 3.14, 3.19, 3.27, 3.30, 3.49), property by property."""
    log = sarif(alexc, *SPECS)
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    driver = run["tool"]["driver"]
    assert driver["name"] == "alexc"
    assert re.fullmatch(r"\d+\.\d+\.\d+", driver["version"])
    assert [rule["id"] for rule in driver["rules"]] == sorted(set(CODES))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] == TITLES[rule["id"]]
        assert rule["fullDescription"]["text"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
        places = [*result["locations"], *result.get("relatedLocations", [])]
        for place in places:
            region = place["physicalLocation"]["region"]
            start, end = (region["startLine"], region["startColumn"]), (region["endLine"], region["endColumn"])
            assert (1, 1) <= start <= end
    related = next(each for each in run["results"] if each["ruleId"] == "E0301")["relatedLocations"]
    assert [each["message"]["text"] for each in related] == ["shape 8x16x16"]


def test_odd_names_and_texts(tmp_path: Path, alexc: Alexc) -> None:
    """Commas, colons, percent signs, letters of other scripts, and what would forge a line of output."""
    name = "a b,c%é:d.net"
    (tmp_path / name).write_text(
        'network A {\n  input 3x8x8\n  a: conv 4 kernel=3 weight=no\n  b: "\x1b[2J\u202e"\n}\n'
    )
    uri = sarif(alexc, name, cwd=tmp_path)["runs"][0]["results"][0]["locations"][0]["physicalLocation"][
        "artifactLocation"
    ]["uri"]
    assert uri == "a%20b%2Cc%25%C3%A9%3Ad.net"
    assert unquote(uri) == name
    whole = sarif(alexc, str(tmp_path / name), cwd=tmp_path)["runs"][0]["results"][0]
    assert whole["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
    (line,) = report(alexc, "github", name, cwd=tmp_path).splitlines()
    assert line.startswith("::error file=a b%2Cc%25é%3Ad.net,line=4,")
    for format_ in FORMATS:
        shown = report(alexc, format_, name, cwd=tmp_path)
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_no_colour_into_a_pipe(alexc: Alexc, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = report(alexc, "text", *SPECS)
    for variable, value in (("NO_COLOR", "1"), ("FORCE_COLOR", "1"), ("COLUMNS", "20")):
        monkeypatch.setenv(variable, value)
        assert report(alexc, "text", *SPECS) == plain
    assert "\x1b" not in plain
