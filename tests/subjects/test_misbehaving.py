"""A subject that breaks the protocol is named for it, soon, and nothing of it is left."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.errors import UsageError
from kline_harness.interval import parse_interval
from kline_harness.verdict import Validity, Verdict

from tests.feeds import feed

SCRIPT = Path(__file__).with_name("misbehaving.py")
INVALID, UNKNOWN, VALID = Validity.INVALID, Validity.UNKNOWN, Validity.VALID
# What each is called, whether it is wrong or only not known, and a word of its evidence.
MODES = {
    "no ready": ("protocol_broken", INVALID, "the first message is ready"),
    "other version": ("protocol_broken", INVALID, "ready's protocol is 1"),
    "wants more": ("protocol_broken", INVALID, "quotes"),
    "exits at once": ("exited", UNKNOWN, "cannot start: no configuration"),
    "silent": ("late", UNKNOWN, "seconds"),
    "log line": ("protocol_broken", INVALID, "write those to stderr"),
    "float": ("protocol_broken", INVALID, "a float loses digits"),
    "exponent": ("protocol_broken", INVALID, "decimal text without an exponent"),
    "not utf-8": ("protocol_broken", INVALID, "a line is UTF-8"),
    "two on a line": ("protocol_broken", INVALID, "is a line end missing"),
    "cut in two": ("protocol_broken", INVALID, "one too many"),
    "a list": ("protocol_broken", INVALID, "a line is one JSON object"),
    "unknown type": ("protocol_broken", INVALID, "kline"),
    "no close": ("protocol_broken", INVALID, "final has close"),
    "count as text": ("protocol_broken", INVALID, "count of final is an integer"),
    "count too large": ("protocol_broken", INVALID, "count of final is an integer"),
    "another symbol": ("unknown_symbol", INVALID, "Y"),
    "another interval": ("unknown_interval", INVALID, "7m"),
    "no open time": ("no_open_time", INVALID, "1704067200000000001"),
    "wrong sync": ("protocol_broken", INVALID, "the next synced is 1"),
    "synced twice": ("protocol_broken", INVALID, "the next synced is 2"),
    "done too early": ("protocol_broken", INVALID, "done"),
    "ready again": ("protocol_broken", INVALID, "ready"),
    "gives up": ("gave_up", UNKNOWN, "out of memory"),
    "dies": ("exited", UNKNOWN, "SIGKILL"),
    "exits": ("exited", UNKNOWN, "'exit_code': 3"),
    "hangs": ("late", UNKNOWN, "sync"),
    "long line": ("protocol_broken", INVALID, "8,388,608 bytes"),
    "deep": ("protocol_broken", INVALID, "a line is one JSON object"),
    "floods": ("protocol_broken", INVALID, "event has symbol"),
    "never reads": ("late", UNKNOWN, "seconds"),
    "closes stdout": ("exited", UNKNOWN, "the harness"),
    "after done": ("after_done", INVALID, "final"),
    "does not exit": ("does_not_exit", VALID, "the harness"),
    "exit code": ("exit_code", VALID, "'exit_code': 5"),
}


def run(mode: str) -> tuple[ProcessAggregator, Verdict]:
    command = f"{sys.executable} {SCRIPT} {mode!r}"
    options = ProcessOptions(answer_ns=10**9)
    subject = ProcessAggregator(command, [parse_interval("1m")], ["X"], options=options)
    for text in ("X 0:10 100x1; X 0:20 101x2; tick 1:00", "X 1:10 100x1; tick 2:00"):
        subject.advance(feed(text))
    subject.finish(0)
    return subject, subject.verdict()


def in_group(group: int) -> list[str]:
    """The processes of a group that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if folder.name.isdigit() and int(fields[2]) == group and fields[0] != "Z":
            found.append(folder.name)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_it_is_named(mode: str) -> None:
    kind, validity, word = MODES[mode]
    begin = time.monotonic()
    subject, verdict = run(mode)
    assert [finding.kind for finding in verdict.findings] == [kind] * len(verdict.findings)
    assert verdict.findings
    assert verdict.validity is validity
    assert word in str(verdict.findings[0].evidence)
    assert time.monotonic() - begin < 30
    assert (subject.failed_at_ns is None) == (kind in _GOES_ON)


_GOES_ON = {"unknown_symbol", "unknown_interval", "no_open_time"}
_GOES_ON |= {"after_done", "does_not_exit", "exit_code"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize("mode", ["leaves a child", "hangs", "does not exit", "dies"])
def test_nothing_of_it_is_left(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    real = os.killpg

    def noted(group: int, sign: int) -> None:
        groups.append(group)
        real(group, sign)

    monkeypatch.setattr(os, "killpg", noted)
    run(mode)
    assert len(groups) == 1
    # A child of the subject dies as soon as the kernel comes to it, and nobody waits for it here.
    end = time.monotonic() + 5
    while in_group(groups[0]) and time.monotonic() < end:
        time.sleep(0.01)
    assert in_group(groups[0]) == []


def test_a_well_behaved_one_is_valid() -> None:
    subject, verdict = run("none")
    assert verdict.validity is VALID
    assert verdict.findings == ()
    assert (subject.name, verdict.counts["trades"]) == ("misbehaving", 3)


@pytest.mark.parametrize(
    ("command", "says"),
    [("", "found none"), ("'unbalanced", "No closing quotation"), ("/no/such/program", "started")],
)
def test_a_command_that_cannot_be_run_is_a_usage_error(command: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ProcessAggregator(command, [parse_interval("1m")]).advance(feed("tick 1:00"))
