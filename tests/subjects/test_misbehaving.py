"""A subject that breaks the protocol is named for it, soon, and nothing of it is left."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest
from kline_harness.aggregators import subject_process
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.errors import UsageError
from kline_harness.interval import parse_interval
from kline_harness.verdict import Validity, Verdict

from tests.feeds import feed

SCRIPT = Path(__file__).with_name("misbehaving.py")
MINUTE = parse_interval("1m")
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
    "an integer of many digits": ("protocol_broken", INVALID, "n of synced is an integer of 64"),
    "a field twice": ("protocol_broken", INVALID, "a message has each field once"),
    "half a character": ("protocol_broken", INVALID, "surrogate pair"),
    "half a character in a name": ("protocol_broken", INVALID, "surrogate pair"),
    "deep and half a character": ("protocol_broken", INVALID, "surrogate pair"),
    "an empty line": ("protocol_broken", INVALID, "an empty line"),
    "a byte order mark": ("protocol_broken", INVALID, "UTF-8 needs none"),
    "a name of other case": ("protocol_broken", INVALID, "final is like it"),
    "a name in another style": ("protocol_broken", INVALID, "quoteVolume is like it"),
    "volume as a number": ("protocol_broken", INVALID, "write it as text"),
    "milliseconds": ("no_open_time", INVALID, "are these milliseconds?"),
    "the last kline of all": ("no_open_time", INVALID, "9223372020000000000"),
    "no line end": ("late", UNKNOWN, "its line end is missing"),
    "drips": ("late", UNKNOWN, "seconds"),
    "one id": ("protocol_broken", INVALID, "first_id and last_id stand in every final"),
    "ids in some": ("protocol_broken", INVALID, "first_id and last_id stand in every final"),
    "a field of a later version": ("fields_ignored", VALID, "final.latency_ms, final.more"),
    "no columns": ("protocol_broken", INVALID, "columns are at least one"),
    "a column that is none": ("protocol_broken", INVALID, "prize"),
    "wants nothing": ("not_asked_for", VALID, "no klines"),
    "neither id nor kind": ("not_asked_for", VALID, "duplicates"),
    "floods after done": ("after_done", INVALID, "found"),
    "half a line after done": ("after_done", INVALID, "fi"),
    "a child leaves the group": ("children_left", VALID, "ended: 1"),
    "a child nobody is the parent of": ("children_left", VALID, "ended: 1"),
    "floods": ("protocol_broken", INVALID, "event has symbol"),
    "never reads": ("late", UNKNOWN, "seconds"),
    "closes stdout": ("exited", UNKNOWN, "the harness"),
    "after done": ("after_done", INVALID, "final"),
    "does not exit": ("does_not_exit", VALID, "the harness"),
    "exit code": ("exit_code", VALID, "'exit_code': 5"),
}


def run(mode: str, token: str = "") -> tuple[ProcessAggregator, Verdict]:
    command = f"{sys.executable} {SCRIPT} {mode!r} {token}"
    # What is not late on purpose may be slow on a busy machine.
    is_late = MODES.get(mode, ("", None, ""))[0] == "late"
    options = ProcessOptions(answer_ns=(1 if is_late else 60) * 10**9)
    subject = ProcessAggregator(command, [MINUTE], ["X"], options=options)
    for text in ("X 0:10 100x1; X 0:20 101x2; tick 1:00", "X 1:10 100x1; tick 2:00"):
        subject.advance(feed(text))
    subject.finish(0)
    return subject, subject.verdict()


def left(token: str) -> list[str]:
    """The processes that still run with a word among theirs."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if folder.name.isdigit() and token.encode() in words and state != "Z":
            found.append(folder.name)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_it_is_named(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode == "floods after done":
        monkeypatch.setattr(subject_process, "_WAITING_BYTES_MAX", 16 << 20)
    kind, validity, word = MODES[mode]
    begin = time.monotonic()
    subject, verdict = run(mode)
    assert [finding.kind for finding in verdict.findings] == [kind] * len(verdict.findings)
    assert verdict.findings
    assert verdict.validity is validity
    assert word in str(verdict.findings[0].evidence)
    assert time.monotonic() - begin < 60
    assert (subject.failed_at_ns is None) == (kind in _GOES_ON)


_GOES_ON = {"unknown_symbol", "unknown_interval", "no_open_time"}
_GOES_ON |= {"after_done", "does_not_exit", "exit_code"}
_GOES_ON |= {"fields_ignored", "not_asked_for", "children_left"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize(
    "mode",
    [
        *("leaves a child", "hangs", "does not exit", "dies", "a child leaves the group"),
        *("a child nobody is the parent of", "a child of no environment"),
    ],
)
def test_nothing_of_it_is_left(mode: str, tmp_path: Path) -> None:
    token = f"token-of-{os.getpid()}-{tmp_path.name}"
    run(mode, token)
    # A child of the subject dies as soon as the kernel comes to it, and nobody waits for it here.
    end = time.monotonic() + 60
    while left(token) and time.monotonic() < end:
        time.sleep(0.01)
    assert left(token) == []


def test_stderr_without_end_holds_nothing_up() -> None:
    begin = time.monotonic()
    _, verdict = run("stderr without end")
    assert verdict.validity is VALID
    assert time.monotonic() - begin < 30


def test_the_scales_of_the_first_trades_are_told() -> None:
    script = (
        "import json,sys; hello=json.loads(input()); scales=json.dumps(hello['scales']); "
        "print(json.dumps(dict(type='ready',protocol=1,name=scales)))"
    )
    subject = ProcessAggregator(f"{sys.executable} -c {shlex.quote(script)}", [MINUTE], ["X", "Y"])
    subject.advance(feed("X 0:10 100.25x1.5; X 0:20 101x2"))
    assert subject.name == '{"X": {"price": 2, "quantity": 1}}'


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
