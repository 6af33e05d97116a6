"""What a comparison rests on, as one sentence's part."""

from __future__ import annotations

from collections import Counter

from kline_harness.comparison.compare import Class, Comparison
from kline_harness.comparison.extent import CLOSE_TIME, OURS, REASONS
from kline_harness.comparison.grounds import bearing_of
from kline_harness.kline import FIELDS

_ALL = (*FIELDS, CLOSE_TIME)


def sentence_of(found: Comparison) -> str:
    """Return the sentence of a comparison without a replay: its verdict, and what that rests on."""
    return f"{found.verdict().validity.value.capitalize()}: {summary(found)}."


def summary(found: Comparison) -> str:
    """Say how many klines were compared in which fields, and how many were not and why."""
    paired = sum(result.paired for result in found.series)
    counts = [f"{n:,} {k.value}" for k in Class if (n := found.count(k)) or k is Class.IDENTICAL]
    parts = [f"compared {_klines(paired)} with the exchange's{_fields(found)}: {', '.join(counts)}"]
    if rests := bearing_of(found).sentence():
        parts.append(rests)
    if without := _not_compared(found):
        parts.append(f"not compared: {without}")
    parts += list(dict.fromkeys(r.diagnosis for r in found.series if r.diagnosis))[:1]
    details = [one.detail for one in found.not_compared if one.detail]
    parts += [text for text in dict.fromkeys(details) if text not in "; ".join(parts)][:1]
    return "; ".join(parts)


def _klines(count: int) -> str:
    return f"{count:,} kline{'' if count == 1 else 's'}"


def _fields(found: Comparison) -> str:
    """Name the fields compared: those of most series first, the others by series."""
    sets = Counter(result.compared for result in found.series if result.paired)
    if not sets:
        return ""
    texts = []
    for fields, series in sorted(sets.items(), key=lambda item: (-item[1], item[0])):
        whole = [name for name in _ALL if name in fields]
        nine = "all nine fields" if set(FIELDS) <= set(fields) else ", ".join(whole)
        if nine.startswith("all") and CLOSE_TIME in fields:
            nine = "all nine fields and the close time"
        texts.append(nine if len(sets) == 1 else f"{nine} ({series} series)")
    return f" in {' and in '.join(texts)}"


def _not_compared(found: Comparison) -> str:
    klines: Counter[tuple[str, str]] = Counter()
    names: dict[tuple[str, str], dict[str, None]] = {}
    for one in found.not_compared:
        key = (one.side, one.reason)
        klines[key] += one.klines
        if one.names:
            names.setdefault(key, {}).update(dict.fromkeys(one.names))
    texts = []
    for (side, reason), count in klines.items():
        whose = "ours" if side == OURS else "the exchange's"
        if fields := names.get((side, reason)):
            kind = "columns" if reason.startswith("columns") else "fields"
            texts.append(f"{kind} {', '.join(fields)} ({_why(side, reason)})")
        else:
            texts.append(f"{_klines(count)} of {whose} ({REASONS[reason]})")
    return ", ".join(texts)


def _why(side: str, reason: str) -> str:
    if reason.startswith("columns"):
        return "names that are not known"
    return f"only {'ours state' if side == OURS else 'the exchange states'} them"
