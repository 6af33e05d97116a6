"""The verbs ``fetch`` and ``catalogue``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

# Of a number of files: shows a line for a file that is done, and the bytes as they come.
Watch: TypeAlias = Callable[
    [int], AbstractContextManager[tuple[Callable[[str], None], Callable[[int], None] | None]]
]


def files_of(words: Sequence[Path], klines: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of trades and of klines that the words of a command stand for.

    Raises what `held_files.files_of` raises, which days of the catalogue need.
    """
    if not any(":" in str(word) for word in words):
        return [*words], [*klines]
    from kline_harness.history import held_files

    return held_files.files_of(words, klines)


def fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fetch``."""
    add = parser.add_argument
    add("--market", required=True, help="spot, um, cm, bybit-um or bybit-spot.", metavar="TEXT")
    add("--symbol", required=True, action="append", help="May be repeated.", metavar="TEXT")
    add("--from", required=True, dest="first", help="The first day.", metavar="DAY")
    add("--to", dest="last", help="The last day. [default: the first]", metavar="DAY")
    add("--data", help="aggTrades, trades, or none. [default: the archive's first]", metavar="TEXT")
    add("--klines", default="", help="Intervals of klines, such as 1m,1h.", metavar="TEXT")
    add(
        "--period",
        choices=("daily", "monthly", "both"),
        default="daily",
        help="both: each month is held against the sum of its days. [default: daily]",
    )
    add("--refresh", action="store_true", help="Ask for files that are there: are they revised?")
    add("--accept-unproven", action="store_true", help="Take files that no CHECKSUM proves.")
    add("--dry-run", action="store_true", help="Only say what would be fetched, with sizes.")
    add("--mirror", help="A URL in place of the archive's hosts.", metavar="URL")
    add("--proxy", help="A proxy's URL. [default: the environment's]", metavar="URL")


def fetch(given: argparse.Namespace, watch: Watch) -> int:
    """Bring historical days into the catalogue: whole, proved, resumed where they were cut.

    Exit code: 0 every file proved, 1 one wrong or unproven, 2 usage, 3 one is not there.
    """
    from kline_harness.errors import UsageError
    from kline_harness.history.catalogue import Catalogue, default_home
    from kline_harness.history.fetch import fetch as run
    from kline_harness.history.layouts import DAILY, MONTHLY
    from kline_harness.history.plan import plan
    from kline_harness.history.selection import Selection, items_of, parse_day
    from kline_harness.history.transport import Settings
    from kline_harness.nouns import counted

    first = parse_day(given.first)
    last = parse_day(given.last) if given.last else first
    periods = {"both": (DAILY, MONTHLY)}.get(given.period, (given.period,))
    items = []
    for symbol in dict.fromkeys(given.symbol):
        selection = Selection(given.market, symbol, first, last)
        items += items_of(selection, _data(given), given.klines, periods)
    if not items:
        raise UsageError("expected trades or --klines to fetch, found neither")
    mirror = given.mirror.rstrip("/") if given.mirror else None
    settings = Settings(mirror=mirror, proxy=given.proxy)
    if given.dry_run:
        lines, code = plan(items, settings)
        print("\n".join(lines))
        return code
    with watch(len(items)) as (show, received):
        result = run(
            Catalogue(default_home()),
            items,
            settings,
            refresh=given.refresh,
            accept=given.accept_unproven,
            progress=lambda one: show(str(one)),
            received=received,
            waiting=lambda text: print(text, file=sys.stderr, flush=True),
        )
    for month in result.months:
        print(month)
    states: dict[str, int] = {}
    for one in result.files:
        states[one.state] = states.get(one.state, 0) + 1
    size = sum(one.bytes_received for one in result.files)
    counts = ", ".join(f"{n:,} {state}" for state, n in sorted(states.items()))
    asked = f"{size:,} bytes in {counted(result.requests, 'request')}"
    print(f"{counted(len(items), 'file')}: {counts}; {asked}")
    return result.exit_code


def _data(given: argparse.Namespace) -> list[str]:
    from kline_harness.history.layouts import ARCHIVES, DAILY

    if given.data == "none":
        return []
    if given.data:
        return [str(name) for name in given.data.split(",")]
    # Aggregates are the smaller files, where an archive has them.
    paths = ARCHIVES[given.market].paths if given.market in ARCHIVES else {}
    return ["aggTrades"] if ("aggTrades", DAILY) in paths else ["trades"]


def catalogue_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``catalogue``."""
    parser.add_argument("action", choices=("list", "verify", "prune"))
    parser.add_argument("--home", type=Path, help="[default: KLINE_HARNESS_HOME]", metavar="PATH")
    parser.add_argument("--yes", action="store_true", help="prune: delete what it lists.")


def catalogue(given: argparse.Namespace) -> int:
    """List the files of the catalogue, verify every byte of them, or prune what was superseded.

    Exit code: 0 all is as recorded, 1 something is not, 2 usage.
    """
    from kline_harness.history.catalogue import Catalogue, default_home
    from kline_harness.history.upkeep import listed, pruned, verified

    kept = Catalogue(given.home or default_home())
    if given.action == "list":
        lines, code = listed(kept), 0
    elif given.action == "verify":
        lines, code = verified(kept)
    else:
        lines, code = pruned(kept, given.yes), 0
    print("\n".join(lines))
    return code
