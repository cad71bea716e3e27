"""Diagnostics in formats for other programs: JSON, SARIF 2.1.0 and GitHub workflow commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from alexc.printable import printable

from .diagnostics import TITLES, Diagnostic
from .explain import explanation
from .source import Span

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_json(findings: Sequence[Diagnostic]) -> list[dict[str, object]]:
    """The diagnostics as plain values. Lines and columns count from 1; columns count characters; ends are exclusive."""
    return [
        {
            "code": each.code,
            "severity": each.severity,
            "message": printable(each.headline),
            **_place(each.span),
            "label": printable(each.label),
            "related": [{**_place(other.span), "label": printable(other.text)} for other in each.others],
            "help": printable(each.help),
        }
        for each in findings
    ]


def _place(span: Span) -> dict[str, object]:
    line, column = span.line_and_column
    end_line, end_column = span.source.line_and_column(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def as_sarif(findings: Sequence[Diagnostic], version: str) -> dict[str, object]:
    """A SARIF 2.1.0 log with one run. Each code that occurs is a rule; `version` is the version of alexc."""
    codes = sorted({each.code for each in findings})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": TITLES[code]},
            "fullDescription": {"text": explanation(code).text},
            "help": {"text": f"alexc explain {code}"},
            "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
        }
        for code in codes
    ]
    run = {
        "tool": {"driver": {"name": "alexc", "version": version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(each, codes.index(each.code)) for each in findings],
    }
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_result(finding: Diagnostic, rule: int) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": _in_one_text(finding)},
        "locations": [_sarif_location(finding.span)],
    }
    if finding.others:
        result["relatedLocations"] = [
            {"id": number, **_sarif_location(other.span), "message": {"text": printable(other.text)}}
            for number, other in enumerate(finding.others)
        ]
    return result


def _sarif_location(span: Span) -> dict[str, object]:
    place = _place(span)
    region = {
        "startLine": place["line"],
        "startColumn": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
    }
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(span.source.name)}, "region": region}}


def _uri(name: str) -> str:
    path = Path(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="replace")


def as_github(findings: Sequence[Diagnostic]) -> list[str]:
    """One workflow command per diagnostic; GitHub shows it next to the line of the spec."""
    return [_github_command(each) for each in findings]


def _github_command(finding: Diagnostic) -> str:
    place = _place(finding.span)
    properties: Mapping[str, object] = {
        "file": printable(finding.span.source.name),
        "line": place["line"],
        "col": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
        "title": f"{finding.code}: {TITLES[finding.code]}",
    }
    written = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    return f"::{finding.severity} {written}::{_escaped(_in_one_text(finding))}"


def _escaped(text: str, more: str = "") -> str:
    """The text with percent signs, line ends and the characters of `more` escaped as workflow commands require."""
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{more}" else each for each in text)


def _in_one_text(finding: Diagnostic) -> str:
    """The headline, the label and the help in one line."""
    return printable(
        "; ".join(filter(None, [finding.headline, finding.label, finding.help and f"help: {finding.help}"]))
    )
