"""Memory over time of a market's day, as a picture: ``scripts/bench memory [FILE]``.

``BENCH_MARKET`` is the number of trades (20 million if it is not set), of ``BENCH_SYMBOLS`` symbols
whose sizes are those of a market (`day.market_sizes`). The run is a whole process with every audit
but Great Expectations, as in ``scripts/bench scale``; memory is its resident set, a sample each
hundredth of a second.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.processes import Timed, archives
from tests.benchmarks.scale import replayed

TRADES = int(os.environ.get("BENCH_MARKET", "20000000"))
SYMBOLS = int(os.environ.get("BENCH_SYMBOLS", "500"))


def draw(timed: Timed, title: str, path: Path) -> None:
    """Write a picture of the memory that a process held as it went on."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3))
    seconds, held = zip(*timed.memory, strict=True)
    axes.plot(seconds, held, linewidth=1)
    axes.axhline(timed.peak_mb, color="grey", linewidth=0.5)
    axes.annotate(f"peak {timed.peak_mb:.0f} MB", (0, timed.peak_mb), va="bottom")
    axes.set(title=title, xlabel="seconds", ylabel="MB", xlim=(0, None))
    axes.set_ylim(0, timed.peak_mb * 1.15)
    figure.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": None})


def main(path: Path) -> None:
    """Replay a market's day and draw its memory."""
    files = archives(TRADES, "--market", str(SYMBOLS))
    with tempfile.TemporaryDirectory() as folder:
        ours = replayed(files, Path(folder))
    title = f"{SYMBOLS} symbols, {ours.trades:,} trades, {ours.klines:,} klines"
    draw(ours.timed, title, path)
    print(ours.row(f"a market's day of {SYMBOLS} symbols"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/memory.png"))
