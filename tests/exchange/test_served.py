"""The folder of a served run: written whole, read back, refused where it is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kline_harness.errors import InputError, OutputError
from kline_harness.exchange.served import (
    SCHEMA,
    Served,
    ServedConnection,
    ServedFault,
    ServedFile,
    ServedRequest,
    ServedSubscription,
)


def a_run() -> Served:
    """Return a run with one of everything."""
    return Served(
        market="um",
        archives=(ServedFile("BTCUSDT-aggTrades-2024-05-15.zip", "ab" * 32, "trades", 3),),
        symbols=("BTCUSDT", "币安人生USDT"),
        speed="60",
        routes="both",
        rebase_days=0,
        scenario={"faults": []},
        started_ns=1_715_731_200_000_000_000,
        ended_ns=1_715_731_260_000_000_000,
        complete=False,
        frames={"btcusdt@aggTrade": 3},
        connections=(ServedConnection(1, "loopback", "/ws", 5, 9, 1008, "server"),),
        subscriptions=(ServedSubscription(1, "btcusdt@aggTrade", 6, 3, None),),
        faults=(ServedFault("wire_gap", 0, 2, 7, None),),
        requests=(ServedRequest("/fapi/v1/time", 200, 4),),
        slow_clients=1,
        without_source=("trade",),
    )


def test_a_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = a_run().write(tmp_path / "out")
    assert Served.read(tmp_path / "out") == Served.read(path) == a_run()
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["served.json"]
    table = json.loads(path.read_text(encoding="utf-8"))
    assert table["schema"] == SCHEMA == "kline-harness/served/1"
    assert table["subscriptions"][0] == {
        "connection": 1,
        "stream": "btcusdt@aggTrade",
        "acknowledged_ns": 6,
        "messages": 3,
        "ended_ns": None,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [("{", "expected JSON"), ("[]", "another one, or none"), ('{"schema": "x"}', "another one")],
)
def test_what_is_no_run_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "served.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=found):
        Served.read(tmp_path)


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    path = a_run().write(tmp_path)
    table = json.loads(path.read_text(encoding="utf-8"))
    del table["requests"]
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(InputError, match="requests"):
        Served.read(path)


def test_a_folder_that_cannot_be_made_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"served\.json: cannot be written"):
        a_run().write(tmp_path / "file")
