"""Findings as sentences for a person: what, of which kline, and the evidence in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kline_harness.units import NS_PER_SECOND, utc_text
from kline_harness.verdict import Finding

_ITEMS_SHOWN = 10
# Names of evidence that are lengths of time and no instants.
_LENGTHS = ("silence_ns", "within_ns", "longest_ns", "longer_than_ns", "lateness_ns", "latency_ns")
# What a value is held against has its name and one of these after it.
_OTHERS = {"_exact": "exact", "_of_children": "shorter klines"}
_EARLIEST_NS = 100_000_000 * NS_PER_SECOND


def finding_text(finding: Finding) -> str:
    """Return one line: severity, what was found, symbol, interval and open time, and evidence."""
    evidence, place = finding.evidence, place_text(finding)
    detail = detail_text(finding.check, finding.kind, evidence)
    if _is_against_exchange(finding.check, evidence):
        return f"{finding.severity.value}: {place} {detail} ({evidence.get('source')})"
    words = f"{finding.severity.value}: {finding.check} {finding.kind}"
    return f"{words}{' ' if place else ''}{place}{': ' if detail else ''}{detail}"


def detail_text(check: str, kind: str, evidence: Mapping[str, Any]) -> str:
    """Return what a finding says beside its kind and place: its evidence as words."""
    if _is_against_exchange(check, evidence):
        return _against_exchange(kind, evidence)
    return str(evidence.get("sentence") or evidence_text(evidence))


def _is_against_exchange(check: str, evidence: Mapping[str, Any]) -> bool:
    return check == "comparison" and isinstance(evidence.get("fields"), list)


def place_text(finding: Finding) -> str:
    """Return the symbol, interval and open time of a finding, those that it has."""
    time = None if finding.open_time_ns is None else utc_text(finding.open_time_ns)
    return " ".join(part for part in (finding.symbol, finding.interval, time) if part)


def _against_exchange(kind: str, evidence: Mapping[str, Any]) -> str:
    fields = [
        f"{name}: exchange {evidence.get(f'theirs_{name}')}, ours {evidence.get(f'ours_{name}')}"
        # A file states the last instant of a kline; what is compared is the first after it.
        f"{' (the first instant after the kline)' if name == 'close_time' else ''}"
        for name in evidence["fields"]
    ]
    if kind == "missing":
        fields = ["the exchange has this kline, ours has not"]
    elif kind == "not_stored":
        fields = ["the exchange has this kline, ours was published and not stored"]
    elif evidence.get("repeated"):
        fields = ["ours has this kline more than once"]
    elif not fields:
        fields = ["ours has this kline, the exchange has not"]
    cause = f"; {evidence.get('class')}: {evidence['cause']}" if "cause" in evidence else ""
    cause += f", but {evidence['doubt']}" if "doubt" in evidence else ""
    return f"{'; '.join(fields)}{cause}"


def count_text(name: str, count: int) -> str:
    """Write what a check counted: a number, or a length of time under a name in ``_ns``."""
    return _item(name, count) if name.endswith("_ns") else f"{_words(name)} {count:,}"


def evidence_text(evidence: Mapping[str, Any]) -> str:
    """Write evidence as words: names with their values, times in UTC, lists cut short."""
    said = []
    for name, value in evidence.items():
        other = next((suffix for suffix in _OTHERS if f"{name}{suffix}" in evidence), None)
        if other is not None:
            said.append(f"{_words(name)}: {_OTHERS[other]} {evidence[name + other]}, ours {value}")
        elif not _is_other(name, evidence):
            said.append(_item(name, value))
    return ", ".join(said)


def _is_other(name: str, evidence: Mapping[str, Any]) -> bool:
    """Tell whether a value stands with that which it is held against."""
    return any(name.endswith(end) and name.removesuffix(end) in evidence for end in _OTHERS)


def _words(name: str) -> str:
    # A file's name stays as it is.
    return name.replace("_", " ") if name.isidentifier() else name


def _item(name: str, value: Any) -> str:
    words = _words(name)
    if isinstance(value, Mapping):
        return f"{words} ({evidence_text(value)})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{words} {_list(name, value)}"
    if name.endswith("_ns") and isinstance(value, int):
        return f"{words.removesuffix(' ns')} {_time(name, value)}"
    return f"{words} {value}"


def _list(name: str, values: Sequence[Any]) -> str:
    shown = [_element(name, value) for value in values[:_ITEMS_SHOWN]]
    more = len(values) - len(shown)
    return (" ".join(shown) or "none") + (f" and {more:,} more" if more else "")


def _element(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({evidence_text(value)})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({_list(name, value)})"
    is_time = isinstance(value, int) and not isinstance(value, bool) and value >= _EARLIEST_NS
    return utc_text(value) if is_time else str(value)


def _time(name: str, value: int) -> str:
    if name.endswith(_LENGTHS) or value < _EARLIEST_NS:
        return f"{value / NS_PER_SECOND:,.3f} s" if value % NS_PER_SECOND else _seconds(value)
    return utc_text(value)


def _seconds(value: int) -> str:
    return f"{value // NS_PER_SECOND:,} s"
