"""A subject that breaks kline-subject/1 in one way, named by its first argument."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

MODE = sys.argv[1]
OUT = sys.stdout.buffer
CLOSE = dict.fromkeys(("high", "low", "close", "volume", "quote_volume"), "1")
FINAL = {
    "type": "final",
    "symbol": "X",
    "interval": "1m",
    "open_time_ns": 1_704_067_200_000_000_000,
    "open": "1",
    **CLOSE,
    "taker_buy_volume": "0",
    "taker_buy_quote_volume": "0",
    "count": 1,
}


def say(**message: object) -> None:
    OUT.write(json.dumps(message).encode() + b"\n")
    OUT.flush()


def raw(data: bytes) -> None:
    OUT.write(data)
    OUT.flush()


def final(**changes: object) -> None:
    say(**{**FINAL, **changes})


def on_hello() -> None:
    if MODE == "no ready":
        final()
    elif MODE == "other version":
        say(type="ready", protocol=2, name="x")
    elif MODE == "wants more":
        say(type="ready", protocol=1, name="x", wants=["quotes"])
    elif MODE == "exits at once":
        sys.stderr.write("cannot start: no configuration\n")
        sys.exit(7)
    elif MODE == "silent":
        time.sleep(60)
    else:
        say(type="ready", protocol=1, name="misbehaving", wants=["trades", "ticks", "commands"])


def on_trades() -> None:
    acts: dict[str, Callable[[], object]] = {
        "log line": lambda: raw(b"INFO started the aggregator\n"),
        "float": lambda: raw(json.dumps(FINAL | {"open": 1.5}).encode() + b"\n"),
        "exponent": lambda: final(open="1e2"),
        "not utf-8": lambda: raw(b'{"type": "error", "code": "\xff"}\n'),
        "two on a line": lambda: raw(b'{"type":"synced","n":1}{"type":"synced","n":2}\n'),
        "cut in two": lambda: raw(b'{"type":"synced",\n"n":1}\n'),
        "a list": lambda: raw(b"[1, 2]\n"),
        "unknown type": lambda: say(type="kline"),
        "no close": lambda: say(**{k: v for k, v in FINAL.items() if k != "close"}),
        "count as text": lambda: final(count="1"),
        "count too large": lambda: final(count=2**63),
        "another symbol": lambda: final(symbol="Y"),
        "another interval": lambda: final(interval="7m"),
        "no open time": lambda: final(open_time_ns=1_704_067_200_000_000_001),
        "wrong sync": lambda: say(type="synced", n=99),
        "synced twice": lambda: raw(b'{"type":"synced","n":1}\n{"type":"synced","n":1}\n'),
        "done too early": lambda: say(type="done"),
        "ready again": lambda: say(type="ready", protocol=1, name="x"),
        "gives up": lambda: say(type="error", code="no_memory", text="out of memory"),
        "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "exits": lambda: sys.exit(3),
        "hangs": lambda: time.sleep(60),
        "long line": lambda: raw(b'{"type":"' + b"x" * (9 << 20) + b'"}\n'),
        "deep": lambda: raw(b"[" * 100_000 + b"\n"),
    }
    if MODE in acts:
        acts[MODE]()
    if MODE == "floods":
        while True:
            raw(b'{"type": "event"}\n' * 10_000)


def main() -> None:
    if MODE == "leaves a child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    if MODE == "never reads":
        say(type="ready", protocol=1, name="x")
        time.sleep(60)
    if MODE == "closes stdout":
        say(type="ready", protocol=1, name="x")
        os.close(1)
        time.sleep(60)
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "hello":
            on_hello()
        elif message["type"] == "trades":
            on_trades()
        elif message["type"] == "sync":
            say(type="synced", n=message["n"])
        elif message["type"] == "end":
            say(type="done")
            if MODE == "after done":
                final()
            if MODE == "does not exit":
                time.sleep(60)
            if MODE == "exit code":
                sys.exit(5)


if __name__ == "__main__":
    main()
