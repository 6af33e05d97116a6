"""The ends of named days and months that are taken for quiet: what no finding says of them."""

from __future__ import annotations

from collections.abc import Iterable

from kline_harness.checks.files import EDGE_NS_MIN, EDGE_TIMES, FileWatch, minutes_text
from kline_harness.units import NS_PER_SECOND
from kline_harness.verdict import Verdict


def ends_not_checked(watches: Iterable[FileWatch]) -> tuple[str, ...]:
    """Return what is not known of the longest silence at an end of a named time, if any is."""
    quiet = [
        (silence_ns, watch.name, "start" if kind == "starts_late" else "end")
        for watch in watches
        for kind, is_too_long, _, silence_ns in watch.edges()
        if not is_too_long and silence_ns >= NS_PER_SECOND
    ]
    if not quiet:
        return ()
    silence_ns, name, end = max(quiet)
    sentence = (
        f"whether trades are missing at the ends of a named time: {minutes_text(silence_ns)} "
        f"without any at the {end} of {name} are taken for quiet, as is all up to "
        f"{minutes_text(EDGE_NS_MIN)} or {EDGE_TIMES} times the longest silence within"
    )
    return (sentence,)


def with_ends(verdict: Verdict, watches: Iterable[FileWatch]) -> Verdict:
    """Return a verdict on files that says so too."""
    not_checked = (*verdict.not_checked, *ends_not_checked(watches))
    return Verdict.of(verdict.check, verdict.counts, verdict.findings, not_checked)
