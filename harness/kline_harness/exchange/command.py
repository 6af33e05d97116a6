"""``kline-harness serve``: the arguments of the verb."""

from __future__ import annotations

import argparse
from pathlib import Path

from kline_harness.arguments import Parser
from kline_harness.errors import with_extra

ROUTES = ("legacy", "routed", "both", "retired")


def serve_arguments(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.files("archives", "Trade archives or recordings; kline files are history for REST.")
    parser.option("--speed", "Virtual seconds a second, or max. [default: 1]", default="1")
    parser.choice("--market", "Told from the files where it is left out.", "um", "spot")
    parser.option("--port", "[default: any that is free]", int, default=0)
    parser.option("--host", "The address to listen on. [default: 127.0.0.1]", default="127.0.0.1")
    parser.option("--out", "The folder of served.json.", Path)
    parser.choice("--routes", "retired: the old addresses fall silent. [default: both]", *ROUTES)
    parser.option("--start", "Where the live part begins, such as 2024-05-15T06:00:00Z.")
    parser.option("--hold", "Time stands until so many streams are subscribed. [default: 1]", int)
    parser.option("--linger", "Seconds that sockets stay open after the end. [default: 2]", int)
    parser.flag("--rebase", "Move the recording by whole days to today, and begin at this moment.")
    parser.flag("--tls", "Serve TLS, with an authority that is made for the run.")
    parser.option(
        "--socks",
        "A SOCKS5 port that leads the exchange's host names here; may be repeated.",
        int,
        action="append",
        default=[],
    )
    parser.option("--run", "Start this service with the server, on the server's clock.")
    parser.option("--scenario", "A TOML file with faults of the wire.", Path)


def serve(given: argparse.Namespace) -> int:
    """Serve recorded trades as the exchange does: REST and websockets, on a virtual clock.

    Exit code: 0 served to the end, 1 the service ended before, 2 bad input or usage,
    130 interrupted.
    """
    with with_extra("serve", "exchange", "aiohttp", "cryptography"):
        from kline_harness.exchange.serve_run import serve_files

    return serve_files(given)
