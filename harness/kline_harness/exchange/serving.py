"""`kline_harness.serve`: recorded trades served to a service from Python."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from kline_harness.exchange.command import with_aiohttp

if TYPE_CHECKING:
    from kline_harness.exchange.served_exchange import ServedExchange
    from kline_harness.replay.scenario import Scenario

Archive = str | PathLike[str]


def serve(
    archives: Archive | Sequence[Archive],
    *,
    speed: int | None = 1,
    market: str | None = None,
    start: str | None = None,
    out: Archive | None = None,
    routes: str = "both",
    port: int = 0,
    hold: int = 1,
    linger: float = 2.0,
    tls: bool = False,
    socks: bool = False,
    rebase: bool = False,
    scenario: Scenario | str | Path | None = None,
) -> ServedExchange:
    """Serve recorded trades as the exchange does, on loopback, in a thread of its own.

    The options are those of the verb ``serve``; `speed` None is as fast as the clients read. It
    listens when this returns. As a context manager it is stopped at the end of the block, and
    `out` has ``served.json`` then.

    Raises UserError for anything the caller can mend.
    """
    with with_aiohttp():
        from kline_harness.exchange.served_exchange import ServedExchange, Serving, scenario_from

    given = [archives] if isinstance(archives, (str, PathLike)) else list(archives)
    folder = None if out is None else Path(out)
    serving = Serving(
        archives=tuple(Path(one) for one in given),
        speed=speed,
        start=start,
        out=folder,
        routes=routes,
        port=port,
        hold=0 if rebase and hold == 1 else hold,
        linger_seconds=linger,
        tls=tls,
        socks=socks,
        rebase=rebase,
        scenario=scenario_from(scenario, market),
    )
    return ServedExchange(serving)
