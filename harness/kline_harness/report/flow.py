"""The ledger as a flow: each total splits into its parts, and what does not balance is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kline_harness.ledger import amount, law_name
from kline_harness.report.format import number, words
from kline_harness.report.svg import Drawing, short
from kline_harness.run_rows import EquationRow

_WIDTH, _STAGE, _BAR = 960.0, 280.0, 7.0
_HEIGHT, _STUB, _LEAST, _TITLE = 44.0, 18.0, 3.0, 22.0
# What is drawn of a ledger that balances; every line that does not comes before.
_SHOWN = 10
_SUBJECTS_NAMED, _NAMES_LONG, _TAILS_NAMED = 4, 56, 6
_STUBS_SHOWN = 6
# Right of the last stage, and a letter of a title.
_STAGE_REST, _LETTER = 100.0, 7.4


@dataclass(frozen=True, slots=True)
class FlowFigure:
    """A chain of equations, each the continuation of a part of the one before it.

    `alike` counts the ledger's chains with the very same numbers and stages; `subjects` are
    theirs.
    """

    chain: tuple[EquationRow, ...]
    subjects: tuple[str, ...]


def flows(ledger: Sequence[EquationRow]) -> list[FlowFigure]:
    """Join the ledger's equations into chains, alike ones into one flow; unbalanced first."""
    stages = _by_stage(ledger)
    followers = {id(row): _follower(row, stages) for row in ledger}
    followed = {id(row) for row in followers.values() if row is not None}
    groups: dict[str, tuple[tuple[EquationRow, ...], list[str]]] = {}
    for row in ledger:
        if id(row) in followed:
            continue
        chain = _chain(row, followers)
        group = groups.setdefault(_shape(chain), (chain, []))
        group[1].append(str(row["subject"]))
    joined = [FlowFigure(chain, tuple(subjects)) for chain, subjects in groups.values()]
    return sorted(joined, key=_importance)


def _importance(flow: FlowFigure) -> tuple[bool, float, int]:
    """Rank flows: what does not balance, then the largest shares lost, then by what they are of.

    Trades and klines come before amounts, and amounts before the lines of each file.
    """
    shares = [
        sum(abs(count) for _, count, _ in _stubs(row, _main(flow, place))) / row["total"]
        for place, row in enumerate(flow.chain)
        if row["total"]
    ]
    law, of_files = str(flow.chain[0]["law"]), is_of_files(flow.chain[0])
    lost = 0.0 if of_files or law == "trades read" else max(shares, default=0.0)
    what = 2 if of_files else int(law.startswith("traded "))
    return all(row["balanced"] for row in flow.chain), -lost, what


def is_of_files(row: EquationRow) -> bool:
    """Tell whether a line of the ledger is of the lines of a file."""
    return str(row["law"]).startswith("lines of a file")


def lost_share(row: EquationRow) -> float:
    """Return which share of a line's total its parts do not account for."""
    total, parts = int(row["total"]), sum(map(int, row["parts"].values()))
    return abs(total - parts) / (abs(total) or 1)


def _chain(
    row: EquationRow, followers: Mapping[int, EquationRow | None]
) -> tuple[EquationRow, ...]:
    chain = [row]
    follower = followers[id(row)]
    while follower is not None and follower not in chain:
        chain.append(follower)
        follower = followers[id(follower)]
    return tuple(chain)


def _by_stage(ledger: Sequence[EquationRow]) -> Mapping[tuple[str, str], Sequence[EquationRow]]:
    """Return the equations by the part that their total continues and their subject."""
    found: dict[tuple[str, str], list[EquationRow]] = {}
    for row in ledger:
        stage = str(row["law"]).rsplit(" ", 1)[-1]
        found.setdefault((stage, str(row["subject"])), []).append(row)
    return found


def _follower(
    row: EquationRow, stages: Mapping[tuple[str, str], Sequence[EquationRow]]
) -> EquationRow | None:
    """Return the one equation whose total is a part of this one.

    "klines delivered" of a writer continues the part "delivered" of what was sent to that writer.
    """
    subject = str(row["subject"])
    ends = [subject.split(" to ", place)[-1] for place in range(subject.count(" to ") + 1)]
    found = [
        other
        for part in row["parts"]
        for end in ends
        for other in stages.get((part, end), ())
        if other is not row
    ]
    return found[0] if len(found) == 1 else None


def _shape(chain: Sequence[EquationRow]) -> str:
    """Return what two chains must share to be drawn as one."""
    return repr([(row["law"], row["total"], row["parts"]) for row in chain])


def draw_ledger(ledger: Sequence[EquationRow]) -> Drawing | None:
    """Draw the flows one below the other; None when there are none."""
    drawn = flows(ledger)[:_SHOWN]
    if not drawn:
        return None
    balanced = sum(bool(row["balanced"]) for row in ledger)
    alternative = (
        f"Ledger: {number(balanced)} of {number(len(ledger))} lines balance. "
        "The same numbers are in the table below."
    )
    lines = list(_lines(drawn))
    heights = [max(_height(flow) for flow, _ in line) for line in lines]
    drawing = Drawing(_WIDTH, sum(heights), alternative)
    y = 0.0
    for line, height in zip(lines, heights, strict=True):
        for flow, x in line:
            _draw_flow(drawing, flow, x, y)
        y += height
    return drawing


def _lines(drawn: Sequence[FlowFigure]) -> Iterator[list[tuple[FlowFigure, float]]]:
    """Yield lines of flows that have room beside each other, each with where it begins."""
    line: list[tuple[FlowFigure, float]] = []
    x = 0.0
    for flow in drawn:
        wide = max(len(flow.chain) * _stage(flow) + _STAGE_REST, len(_title(flow)) * _LETTER)
        if line and x + wide > _WIDTH:
            yield line
            line, x = [], 0.0
        line.append((flow, x))
        # Two chains of one equation stand side by side.
        x += -(-wide // (_WIDTH / 2)) * _WIDTH / 2
    if line:
        yield line


def hidden_flows(ledger: Sequence[EquationRow]) -> int:
    """Return how many flows the drawing leaves to the table."""
    return max(0, len(flows(ledger)) - _SHOWN)


def _height(flow: FlowFigure) -> float:
    stubs = max(len(_stubs(row, _main(flow, place))) for place, row in enumerate(flow.chain))
    return _TITLE + _HEIGHT + stubs * _STUB + 30


def _main(flow: FlowFigure, place: int) -> str | None:
    """Return the part that flows on: the next equation's total, else the largest."""
    row = flow.chain[place]
    if place + 1 < len(flow.chain):
        return str(flow.chain[place + 1]["law"]).rsplit(" ", 1)[-1]
    parts: Mapping[str, int] = row["parts"]
    return max(parts, key=lambda name: parts[name]) if parts else None


def _stubs(row: EquationRow, main: str | None) -> list[tuple[str, int, str]]:
    """Return what leaves the main stream as (name, count, tone), and what is not accounted for."""
    stubs = [
        (words(name), count, "uncompared")
        for name, count in row["parts"].items()
        if name != main and count
    ]
    if len(stubs) > _STUBS_SHOWN + 1:
        # A part for each symbol would be a picture of thousands of pixels.
        stubs.sort(key=lambda stub: -abs(stub[1]))
        rest = stubs[_STUBS_SHOWN:]
        total = sum(count for _, count, _ in rest)
        stubs[_STUBS_SHOWN:] = [(f"in {number(len(rest))} more", total, "uncompared")]
    gap = row["total"] - sum(row["parts"].values())
    if gap:
        stubs.append(("unaccounted for" if gap > 0 else "too many", gap, "unexplained"))
    return stubs


def _stage(flow: FlowFigure) -> float:
    """Return the width of a stage: a long chain fits, too, with what is said at its end."""
    return min(_STAGE, (_WIDTH - _STAGE_REST) / len(flow.chain))


def _title(flow: FlowFigure) -> str:
    head = flow.chain[0]
    law = f"{law_name(head['law'])} {amount(head['law'], head['total'])}"
    if len(flow.subjects) == 1:
        return f"{law} · {flow.subjects[0]}"
    heads = [subject.rpartition(" ")[0] for subject in flow.subjects]
    tails = [subject.rpartition(" ")[2] for subject in flow.subjects]
    if len(set(heads)) == 1 and heads[0]:
        # Intervals are in their order: with many, their ends leave room for another flow.
        named = ", ".join(tails) if len(tails) <= _TAILS_NAMED else f"{tails[0]} to {tails[-1]}"
        return f"{law} · {heads[0]} {named}: the same in each"
    # Names of files are long: as many as the picture is wide enough for.
    shown = _SUBJECTS_NAMED
    while shown > 1 and len(", ".join(flow.subjects[:shown])) > _NAMES_LONG:
        shown -= 1
    more, named = len(flow.subjects) - shown, ", ".join(flow.subjects[:shown])
    return f"{law} · {named}{f' and {number(more)} more' if more > 0 else ''}: the same in each"


def _draw_flow(drawing: Drawing, flow: FlowFigure, left: float, top: float) -> None:
    drawing.text(left, top + 14, _title(flow), size=12, bold=True)
    y, height, stage = top + _TITLE, _HEIGHT, _stage(flow)
    drawing.rect(left, y, _BAR, height, "theirs")
    for place, row in enumerate(flow.chain):
        x = left + place * stage
        height = _draw_stage(drawing, row, _main(flow, place), (x, x + stage), y, height)
    if all(row["balanced"] for row in flow.chain):
        end = left + len(flow.chain) * stage
        drawing.text(end + 20, y + height / 2 + 4, "= balanced", tone="valid", size=12, bold=True)


def _draw_stage(
    drawing: Drawing,
    row: EquationRow,
    main: str | None,
    across: tuple[float, float],
    y: float,
    height: float,
) -> float:
    """Draw how one total splits; return the height of the part that flows on."""
    x, target = across
    total = row["total"]
    stubs = _stubs(row, main)
    scale = height / total if total else 0.0
    lost = [max(_LEAST, abs(count) * scale) for _, count, _ in stubs]
    kept = max(_LEAST, height - sum(lost)) if main is not None else 0.0
    if main is not None:
        _ribbon(drawing, x + _BAR, target, y, y, kept, "area")
        drawing.rect(target, y, _BAR, kept, "theirs")
        told = f"{amount(row['law'], row['parts'][main])} {words(main)}"
        drawing.text(target - 8, y + 14, told, size=12, anchor="end")
    start, place = y + kept, y + height + _STUB * 0.6
    for (name, count, tone), thick in zip(stubs, lost, strict=True):
        end = x + (target - x) * 0.36
        _ribbon(drawing, x + _BAR, end, start, place, thick, tone)
        tone_of_text = "invalid" if tone == "unexplained" else "ink"
        drawing.text(
            end + 6,
            place + 7,
            f"{amount(row['law'], abs(count))} {name}",
            size=12,
            tone=tone_of_text,
        )
        start, place = start + thick, place + _STUB
    none = [words(name) for name, count in row["parts"].items() if name != main and not count]
    if none:
        drawing.text(x + _BAR + 6, place + 7, f"0 {', '.join(none)}", size=11, tone="muted")
    return kept


def _ribbon(
    drawing: Drawing, x0: float, x1: float, y0: float, y1: float, thick: float, tone: str
) -> None:
    middle = (x0 + x1) / 2
    a, b, m = short(x0), short(x1), short(middle)
    top = f"M{a} {short(y0)}C{m} {short(y0)} {m} {short(y1)} {b} {short(y1)}"
    low0, low1 = short(y0 + thick), short(y1 + thick)
    drawing.path(f"{top}V{low1}C{m} {low1} {m} {low0} {a} {low0}Z", fill=tone)
