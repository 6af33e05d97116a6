"""The life of a kline: its states as lanes, each transition an arrow with how often it happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kline_harness.report.format import number, words
from kline_harness.report.svg import Drawing, short
from kline_harness.run_rows import TransitionRow

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 960.0, 250.0, 90.0, 44.0, 30.0
_LOOP = 34.0
# The order of a life; a state that is not named here comes last.
_STATES = ("absent", "provisional", "live", "final")


def draw_lifecycle(transitions: Sequence[TransitionRow]) -> Drawing | None:
    """Draw the transitions that happened; None when there are none."""
    rows = [row for row in transitions if row["count"]]
    if not rows:
        return None
    named = dict.fromkeys(row[end] for row in rows for end in ("state", "next"))
    states = [name for name in _STATES if name in named]
    states += [name for name in named if name not in _STATES]
    height = _TOP + len(rows) * _ROW + 12
    illegal = sum(row["count"] for row in rows if not row["legal"])
    label = f"{number(len(rows))} transitions between {', '.join(map(words, states))}"
    drawing = Drawing(_WIDTH, height, f"Lifecycle of klines: {label}, {number(illegal)} illegal.")
    lanes = _draw_lanes(drawing, states, height)
    rows.sort(key=lambda row: (states.index(row["state"]), states.index(row["next"])))
    for place, row in enumerate(rows):
        _draw_transition(drawing, row, lanes, _TOP + (place + 0.5) * _ROW)
    return drawing


def _draw_lanes(drawing: Drawing, states: Sequence[str], height: float) -> dict[str, float]:
    step = (_WIDTH - _LEFT - _RIGHT - 60) / max(1, len(states) - 1)
    lanes = {state: _LEFT + 40 + place * step for place, state in enumerate(states)}
    for state, x in lanes.items():
        drawing.path(
            f"M{short(x)} 30V{short(height - 6)}", stroke="line", extra=' stroke-width="2"'
        )
        half = 12 + 3.6 * len(words(state))
        left, right = short(x - half + 8), short(x + half - 8)
        drawing.path(
            f"M{left} 3H{right}q8 0 8 8v10q0 8-8 8H{left}q-8 0-8-8v-10q0-8 8-8z",
            fill="soft",
            stroke="muted",
        )
        drawing.text(x, 20.5, words(state), anchor="middle", bold=True)
    return lanes


def _draw_transition(
    drawing: Drawing, row: TransitionRow, lanes: Mapping[str, float], y: float
) -> None:
    tone = "accent" if row["legal"] else "invalid"
    label = f"{words(row['life'])} by {words(row['trigger'])}"
    drawing.text(
        0,
        y + 4,
        label if row["legal"] else f"{label} (illegal)",
        tone="ink" if row["legal"] else tone,
    )
    start, end = lanes[row["state"]], lanes[row["next"]]
    dash = "" if row["legal"] else ' stroke-dasharray="5 4"'
    style = f' stroke-width="{short(_weight(row["count"]))}"{dash}'
    if start == end:
        near, far = short(start + _LOOP - 6), short(start + _LOOP)
        up, down = short(y - 6), short(y + 6)
        shape = f"M{short(start)} {up}H{near}C{far} {up} {far} {down} {near} {down}"
        drawing.path(f"{shape}H{short(start + 10)}", stroke=tone, extra=style)
        _head(drawing, start + 3, y + 6, -1, tone)
    else:
        way = 1 if end > start else -1
        drawing.path(f"M{short(start)} {short(y)}H{short(end - way * 9)}", stroke=tone, extra=style)
        drawing.path(
            f"M{short(start - 3.5)} {short(y)}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", fill=tone
        )
        _head(drawing, end - way * 2, y, way, tone)
    drawing.text(
        _WIDTH, y + 4, number(row["count"]), anchor="end", tone="ink" if row["legal"] else tone
    )


def _head(drawing: Drawing, x: float, y: float, way: int, tone: str) -> None:
    drawing.path(f"M{short(x)} {short(y)}l{-way * 9}-5v10z", fill=tone)


def _weight(count: int) -> float:
    """Return a stroke width that grows with the digits of a count."""
    return 1.0 + 0.5 * (len(str(count)) - 1)
