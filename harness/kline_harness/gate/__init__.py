"""The regression gate: a suite of replays, each held to its verdict and to its baseline.

suite.py          suite.toml to a frozen Suite of Cases
canonical.py      finals as exact text, a line each; days of them and their digests
days.py           those lines by day, on disk
snapshot.py       what a case comes to: figures line by line, klines day by day
baseline.py       a snapshot on disk, made for git; reading, writing, what a write changes
judge.py          a snapshot against its baseline: every difference as a Problem
counters.py       how much work a run was, counted
machine_speed.py  how long a fixed piece of work takes on this machine
gate.py           the one place that runs a suite
results.py        Problem, CaseResult, GateResult
output.py         a result as text, JSON and Markdown; junit.py and ci_annotations.py for CI servers
destinations.py   where a result goes: files, the job's page, the terminal
"""

from __future__ import annotations

from kline_harness.gate.gate import Gate, run_suite
from kline_harness.gate.results import CaseResult, GateResult, GateStatus, Problem
from kline_harness.gate.suite import Suite, SuiteCase, chosen, load_suite

__all__ = [
    "CaseResult",
    "Gate",
    "GateResult",
    "GateStatus",
    "Problem",
    "Suite",
    "SuiteCase",
    "chosen",
    "load_suite",
    "run_suite",
]
