"""The broadcast channel against recorded operations of a real one."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from kline_harness.simulation import broadcast
from kline_harness.simulation.broadcast import (
    Closed,
    Empty,
    Lagged,
    Receiver,
    Sender,
    SendError,
    rounded_capacity,
)

FIXTURE = Path(__file__).parents[2] / "fixtures" / "tokio-broadcast"

Operation = dict[str, Any]


def recorded_traces() -> list[list[Operation]]:
    with gzip.open(FIXTURE / "operations.ndjson.gz", "rt", encoding="utf-8") as lines:
        operations = [json.loads(line) for line in lines]
    return [
        list(trace) for _, trace in groupby(operations, key=lambda operation: operation["trace"])
    ]


TRACES = recorded_traces()


class Replay:
    """Performs recorded operations on the model and gives its results in the recording's form."""

    def __init__(self) -> None:
        self.senders: list[Sender[int]] = []
        self.receivers: dict[int, Receiver[int]] = {}

    def perform(self, operation: Operation) -> object:
        return getattr(self, operation["op"])(operation)

    def channel(self, operation: Operation) -> None:
        sender: Sender[int] = Sender.new(operation["capacity"])
        self.senders.append(sender)
        self.receivers[operation["receiver"]] = sender.subscribe()

    def send(self, operation: Operation) -> object:
        try:
            return {"ok": self.senders[0].send(operation["value"])}
        except SendError as error:
            return {"err": error.value}

    def try_recv(self, operation: Operation) -> object:
        try:
            return {"ok": self.receivers[operation["receiver"]].try_recv()}
        except Lagged as lag:
            return {"lagged": lag.missed}
        except Empty:
            return "empty"
        except Closed:
            return "closed"

    def len(self, operation: Operation) -> int:
        return len(self.receivers[operation["receiver"]])

    def receiver_count(self, operation: Operation) -> int:
        return self.senders[0].receiver_count

    def subscribe(self, operation: Operation) -> None:
        self.receivers[operation["receiver"]] = self.senders[0].subscribe()

    def resubscribe(self, operation: Operation) -> None:
        original = self.receivers[operation["from"]]
        self.receivers[operation["receiver"]] = original.resubscribe()

    def drop_receiver(self, operation: Operation) -> None:
        self.receivers.pop(operation["receiver"]).drop()

    def clone_sender(self, operation: Operation) -> None:
        self.senders.append(self.senders[0].clone())
        assert len(self.senders) == operation["left"]

    def drop_sender(self, operation: Operation) -> None:
        self.senders.pop().drop()
        assert len(self.senders) == operation["left"]


def first_difference(trace: list[Operation]) -> str | None:
    """Where the model first differs from the recording; None when it never does."""
    replay = Replay()
    for step, operation in enumerate(trace):
        result = replay.perform(operation)
        if result != operation.get("result"):
            before = "\n  ".join(json.dumps(earlier) for earlier in trace[max(0, step - 8) : step])
            return (
                f"trace {operation['trace']}, step {step}, {json.dumps(operation)}\n"
                f"recorded {operation.get('result')!r}, the model gives {result!r}\n"
                f"before it:\n  {before}"
            )
    return None


def bursts(trace: list[Operation]) -> Iterator[list[Operation]]:
    """Runs of sends, and runs of values received by one receiver; all else one by one."""

    def kind(numbered: tuple[int, Operation]) -> object:
        step, operation = numbered
        result = operation.get("result")
        received = isinstance(result, dict) and "ok" in result
        if operation["op"] == "send":
            return "send"
        if operation["op"] == "try_recv" and received:
            return operation["receiver"]
        return ("single", step)

    for _, run in groupby(enumerate(trace), key=kind):
        yield [operation for _, operation in run]


def receive_burst(receiver: Receiver[int], count: int) -> list[int]:
    received: list[int] = []
    while len(received) < count:
        piece = receiver.try_recv_many(count - len(received))
        received.extend(piece[index] for index in range(len(piece)))
    return received


def send_burst(sender: Sender[int], values: list[int]) -> object:
    try:
        return {"ok": sender.send_many(values)}
    except SendError as error:
        return {"err": error.value}


# --- the recording


def test_recording_is_the_one_described() -> None:
    metadata = json.loads((FIXTURE / "metadata.json").read_text(encoding="utf-8"))
    for name, sha256 in metadata["sha256"].items():
        assert hashlib.sha256((FIXTURE / name).read_bytes()).hexdigest() == sha256
    assert sum(map(len, TRACES)) == metadata["rows"]
    assert len(TRACES) == metadata["traces"]


def test_every_recorded_result_is_reproduced() -> None:
    differences = [difference for trace in TRACES if (difference := first_difference(trace))]
    assert not differences, f"{len(differences)} traces differ, the first:\n{differences[0]}"


def test_recorded_bursts_as_batches_give_the_same() -> None:
    batches = 0
    for trace in TRACES:
        replay = Replay()
        for run in bursts(trace):
            if len(run) == 1:
                assert replay.perform(run[0]) == run[0].get("result"), run
            elif run[0]["op"] == "send":
                values = [operation["value"] for operation in run]
                assert send_burst(replay.senders[0], values) == burst_result(run), run
                batches += 1
            else:
                receiver = replay.receivers[run[0]["receiver"]]
                expected = [operation["result"]["ok"] for operation in run]
                assert receive_burst(receiver, len(run)) == expected, run
    assert batches > 500


def burst_result(run: list[Operation]) -> object:
    results = [operation["result"] for operation in run]
    refused = [result["err"] for result in results if "err" in result]
    if refused:
        assert len(refused) == len(run)
        return {"err": refused}
    assert all(result == results[0] for result in results)
    return results[0]


# --- the recording catches what it should: each defect is planted and must be found


def lag_one_early(shared: Any, position: int) -> int:
    return max(0, int(shared.tail) - int(shared.capacity) + 1 - position)


def lag_one_late(capacity: int) -> int:
    return rounded_capacity(capacity) + 1


def keep_oldest(shared: Any, values: Any, count: int) -> None:
    if shared.depth() < shared.capacity:
        shared.segments.append(values, count)


def see_old_values(sender: Sender[int]) -> Receiver[int]:
    receiver = Receiver(sender._channel)
    segments = sender._channel.segments
    if len(segments):
        receiver._segment_number = segments.first_number
        receiver._position = segments.segment(segments.first_number).start
    return receiver


def lag_to_the_tail(receiver: Receiver[int]) -> Lagged:
    shared = receiver._channel
    missed = shared.missed(receiver._position)
    receiver._position = shared.tail
    receiver._segment_number = shared.segments.next_number
    return Lagged(missed)


def ignore_no_receivers(sender: Sender[int], values: Any, count: int, handed_back: object) -> int:
    if sender.receiver_count:
        sender._channel.append(values, count)
    return sender.receiver_count


def close_at_once(sender: Sender[int]) -> None:
    sender._dropped = True
    sender._channel.senders -= 1
    if not sender._channel.senders:
        sender._channel.closed = True
        for receiver in sender._channel.receivers:
            receiver._position = sender._channel.tail


def stay_counted(receiver: Receiver[int]) -> None:
    receiver.waker = None


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [
        pytest.param(broadcast._Channel, "missed", lag_one_early, id="lag-one-early"),
        pytest.param(broadcast, "rounded_capacity", lag_one_late, id="lag-one-late"),
        pytest.param(broadcast._Channel, "append", keep_oldest, id="newest-lost"),
        pytest.param(Sender, "subscribe", see_old_values, id="late-subscriber-sees-old"),
        pytest.param(Receiver, "_skip_missed", lag_to_the_tail, id="lag-skips-to-tail"),
        pytest.param(Sender, "_send", ignore_no_receivers, id="unheard-send-succeeds"),
        pytest.param(Sender, "drop", close_at_once, id="closed-before-drained"),
        pytest.param(Receiver, "drop", stay_counted, id="dropped-still-counted"),
        pytest.param(broadcast, "rounded_capacity", int, id="capacity-not-rounded"),
    ],
)
def test_recording_catches_a_planted_defect(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, mutant: Callable[..., object]
) -> None:
    monkeypatch.setattr(owner, name, mutant)
    assert any(first_difference(trace) for trace in TRACES)
