"""The rows of `run.json` and of the files beside it, as whoever writes and reads them knows them.

Each is a JSON object; docs/run-folder.md says what its members are. What is not required may be
absent from a folder that somebody else wrote; a run writes every member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

# What a text may be, that a scenario's instants, lengths of time and rows are numbers, and how many
# items a list has: for `run_shape`, which holds a file to these rows.
Validities = Annotated[str, frozenset({"valid", "invalid", "unknown"})]
Severities = Annotated[str, frozenset({"error", "doubt", "notice"})]
Options = Annotated[Mapping[str, Any], ("_ns", "_rows")]
FromUntil = Annotated[Sequence[int], 2]


class InputRow(TypedDict):
    """A file that was read (`FileInfo`) and its part: "trades" or "klines"."""

    role: NotRequired[str]
    path: str
    sha256: NotRequired[str | None]
    bytes: NotRequired[int]
    layout: NotRequired[str]
    market: NotRequired[str | None]
    symbols: NotRequired[Sequence[str]]
    unit: NotRequired[str]
    header: NotRequired[bool]
    compression: NotRequired[str]
    rows: NotRequired[int]
    skipped: NotRequired[int]
    first_trade_id: NotRequired[int | None]
    last_trade_id: NotRequired[int | None]
    first_event_time_ns: NotRequired[int | None]
    last_event_time_ns: NotRequired[int | None]
    coverage: NotRequired[FromUntil | None]
    receive_unit: NotRequired[str | None]
    source: NotRequired[str]
    not_stated: NotRequired[Sequence[str]]
    unread_columns: NotRequired[Sequence[str]]
    contradictions: NotRequired[Sequence[str]]
    ids_stated: NotRequired[bool]


class CheckRow(TypedDict):
    """A verdict: what it rests on, findings counted by kind."""

    check: str
    verdict: Validities
    needs: NotRequired[str]
    counts: Mapping[str, int]
    findings: Mapping[str, int]
    not_checked: Sequence[str]


class FindingRow(TypedDict):
    """A finding: a line of findings.ndjson."""

    check: NotRequired[str]
    kind: NotRequired[str]
    severity: NotRequired[Severities]
    symbol: NotRequired[str | None]
    interval: NotRequired[str | None]
    open_time_ns: NotRequired[int | None]
    at_ns: NotRequired[int | None]
    evidence: NotRequired[Mapping[str, Any]]


class LawRow(TypedDict):
    """The sums of all equations of one law of the ledger."""

    law: str
    equations: int
    balanced: int
    total: NotRequired[int]
    parts: NotRequired[Mapping[str, int]]


class EquationRow(TypedDict):
    """An equation of ledger.parquet, put together again."""

    law: str
    subject: str
    total: int
    parts: Mapping[str, int]
    balanced: bool


class EquationEvidence(TypedDict):
    """What a finding says of an equation that does not balance."""

    law: str
    total: int
    parts: Mapping[str, int]


class ComparedRow(TypedDict):
    """A series that was compared: klines of each class, and differences by field."""

    symbol: str
    interval: str
    source: NotRequired[str | None]
    identical: NotRequired[int]
    proved: NotRequired[int]
    consistent: NotRequired[int]
    unexplained: NotRequired[int]
    missing: NotRequired[int]
    extra: NotRequired[int]
    outside: NotRequired[int]
    uncompared: NotRequired[int]
    compared_fields: NotRequired[Sequence[str]]
    fields: NotRequired[Mapping[str, int]]
    diagnosis: NotRequired[str]


class NotComparedRow(TypedDict):
    """Klines or fields of a series that were not compared, and why."""

    symbol: str
    interval: str
    side: NotRequired[str]
    reason: NotRequired[str]
    why: NotRequired[str]
    klines: int
    first_open_time_ns: NotRequired[int | None]
    last_open_time_ns: NotRequired[int | None]
    names: NotRequired[Sequence[str]]
    source: NotRequired[str]
    detail: NotRequired[str]
    sentence: NotRequired[str]


class ComparisonRows(TypedDict):
    """The comparison with the exchange's klines."""

    series: Sequence[ComparedRow]
    not_compared: NotRequired[Sequence[NotComparedRow]]


class ConsumerRow(TypedDict):
    """A consumer of a channel: what it was given and what it missed."""

    name: str
    delivered: NotRequired[int]
    lagged: NotRequired[int]
    lag_events: NotRequired[int]
    depth_peak: NotRequired[int]
    before_subscribing: NotRequired[int]
    unread: NotRequired[int]
    after_leaving: NotRequired[int]
    connected: NotRequired[bool]
    died_at_ns: NotRequired[int | None]


class ChannelRow(TypedDict):
    """A channel and its consumers."""

    name: str
    design: NotRequired[str]
    capacity: NotRequired[int]
    published: NotRequired[int]
    sent: NotRequired[int]
    unsent: NotRequired[int]
    refused: NotRequired[int]
    consumers: Sequence[ConsumerRow]


class LatenessRow(TypedDict):
    """How late the finals of an interval were, in nanoseconds after their close."""

    interval: str
    count: NotRequired[int]
    min_ns: NotRequired[int]
    p50_ns: NotRequired[int]
    p90_ns: NotRequired[int]
    p99_ns: NotRequired[int]
    max_ns: NotRequired[int]


class TransitionRow(TypedDict):
    """A transition of klines from one state to the next, and how often it happened."""

    state: str
    life: str
    trigger: str
    next: str
    count: int
    legal: bool


class StretchRow(TypedDict):
    """A time without trades of one symbol, and why it is empty."""

    symbol: str
    why: str
    from_ns: int
    until_ns: int


class FaultRow(TypedDict):
    """A fault of the scenario, what it changed, and the checks that found it."""

    fault: str
    effect: NotRequired[Mapping[str, Any]]
    detected_by: NotRequired[Sequence[str]]
    had_effect: NotRequired[bool]
    from_ns: NotRequired[int | None]
    to_ns: NotRequired[int | None]


class ExpectationRow(TypedDict):
    """An expectation of the suite and what it found."""

    name: str
    rule: str
    columns: Sequence[str]
    success: bool
    unexpected_count: int
    unexpected_rows: NotRequired[Sequence[Mapping[str, Any]]]


class ExpectationRows(TypedDict):
    """The suite's answer: expectations.json."""

    rows: NotRequired[int | None]
    expectations: NotRequired[Sequence[ExpectationRow]]
    crashed: NotRequired[str | None]
