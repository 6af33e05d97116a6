"""A subject that breaks kline-subject/1 in one way, named by its first argument."""

import json
import os
import signal
import subprocess
import sys
import threading
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


MINUTE = 60 * 10**9
READY: dict[str, dict[str, object]] = {
    "no columns": {"columns": []},
    "a column that is none": {"columns": ["id", "prize"]},
    "wants nothing": {"wants": []},
    "neither id nor kind": {"columns": ["price"]},
}


def say(**message: object) -> None:
    OUT.write(json.dumps(message).encode() + b"\n")
    OUT.flush()


def raw(data: bytes) -> None:
    OUT.write(data)
    OUT.flush()


def final(**changes: object) -> None:
    say(**{**FINAL, **changes})


def no_end() -> None:
    raw(b'{"type":"synced","n":1}')
    time.sleep(60)


def ids_in_some() -> None:
    final(first_id=1, last_id=2)
    final()


def drip() -> None:
    while True:
        final()


def on_hello() -> None:
    if MODE in READY:
        say(**{"type": "ready", "protocol": 1, "name": "x"} | READY[MODE])
        return
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
        "an integer of many digits": lambda: raw(b'{"type":"synced","n":' + b"9" * 5_000 + b"}\n"),
        "a field twice": lambda: raw(json.dumps(FINAL).encode()[:-1] + b', "close": "2"}\n'),
        "half a character": lambda: final(symbol="\ud800"),
        "half a character in a name": lambda: say(type="\ud800"),
        "deep and half a character": lambda: raw(
            b'{"type":"final","a":"\\ud800","b":' + b"[" * 900 + b"]" * 900 + b"}\n"
        ),
        "an empty line": lambda: raw(b"\n"),
        "a byte order mark": lambda: raw(b"\xef\xbb\xbf" + json.dumps(FINAL).encode() + b"\n"),
        "a name of other case": lambda: say(type="Final"),
        "a name in another style": lambda: say(
            **{"quoteVolume" if k == "quote_volume" else k: v for k, v in FINAL.items()}
        ),
        "volume as a number": lambda: final(volume=5),
        "milliseconds": lambda: final(open_time_ns=1_704_067_200_000),
        "the last kline of all": lambda: final(open_time_ns=(2**63 - 1) // MINUTE * MINUTE),
        "no line end": no_end,
        "drips": drip,
        "one id": lambda: final(first_id=1),
        "ids in some": ids_in_some,
        "a field of a later version": lambda: final(latency_ms=1.5, more={"x": [2.5]}),
        "deep": lambda: raw(b"[" * 100_000 + b"\n"),
    }
    if MODE in acts:
        acts[MODE]()
    if MODE == "floods":
        while True:
            raw(b'{"type": "event"}\n' * 10_000)


def main() -> None:
    # By the words of this program a test knows what it left.
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)", *sys.argv[1:]]
    if MODE == "leaves a child":
        subprocess.Popen(sleeping)
    if MODE == "a child leaves the group":
        subprocess.Popen(sleeping, start_new_session=True)
    if MODE == "a child nobody is the parent of" and os.fork() == 0:
        # As a daemon starts: its parent is gone at once, and the environment is all that is known.
        os.setsid()
        if os.fork():
            os._exit(0)
        os.execv(sys.executable, sleeping)
    if MODE == "a child of no environment":
        subprocess.Popen(sleeping, start_new_session=True, env={})
    if MODE == "stderr without end":
        threading.Thread(target=lambda: [os.write(2, b"x" * 100_000) for _ in range(2_000)]).start()
    if MODE == "deaf":
        long = [word.replace("sleep(60)", "sleep(3600)") for word in sleeping]
        subprocess.Popen(long, start_new_session=True)
        say(type="ready", protocol=1, name="x")
        time.sleep(3600)
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
            if MODE == "floods after done":
                for _ in range(24):
                    raw(b"x" * (1 << 20) + b"\n")
            if MODE == "half a line after done":
                raw(b'{"type":"fi')
            if MODE == "does not exit":
                time.sleep(60)
            if MODE == "exit code":
                sys.exit(5)


if __name__ == "__main__":
    main()
