"""What the words of a report mean: its checks, its causes, and its terms, a sentence each."""

from __future__ import annotations

from kline_harness.checks.check_list import CHECKS as LISTED
from kline_harness.comparison.causes.registry import MEANINGS

# By the id of a check: what it does; the last ones are of a judged store, and of a subject.
CHECKS = {
    **{check: about.does for check, about in LISTED.items()},
    "store": "Looks at the rows of a service's table: read, unreadable, doubled, of other times.",
    "silent_stream": "Looks for streams that were subscribed and on which nothing was sent.",
    "connections": "Tells how the connections of the server ended.",
    "left_bars": "Looks for klines that were left as they were after some of their trades.",
    "wire_faults": "Tells which faults of the wire had an effect, and which klines kept it.",
    "pulls": "Holds every answer to a pull to what was published: each change, each final.",
    "gateway": "Holds the deltas that the gateway pulled to come complete and in time.",
    "gateway_reader": "Looks for batches of the gateway that its reader did not see.",
    "snapshot_writer": "Holds the rows that snapshots stored to the finals they stand for.",
    "overwritten": "Looks for rows that were changed after they had been stored as final.",
}
# By the name of a cause: what can have made a kline differ.
CAUSES = MEANINGS
TERMS = {
    "valid": "Everything that was asked for was looked at, and nothing is wrong.",
    "invalid": "Something is wrong: at least one check found an error.",
    "unknown": "Nothing was shown to be wrong, but something could not be decided.",
    "identical": "Equal to the exchange's kline in every field that both sides state.",
    "proved": "Unequal; with a cause undone, equal to the exchange's in every compared field.",
    "consistent": "Unequal; a cause can have made the difference, but it was not seen.",
    "unexplained": "Unequal, and no cause fits.",
    "missing": "The exchange has this kline, ours has not, and no cause fits.",
    "extra": "Ours has this kline, the exchange has not, and no cause fits.",
    "outside": "A kline of the exchange's beyond the replayed time.",
    "uncompared": "A kline of ours that the exchange's files do not cover.",
    "quiet": "A flat kline: nothing was traded in its time.",
    "halted": "The exchange has no kline here, and no trade id is missing: trading was halted.",
    "silent": "No symbol traded for minutes, and nothing tells why.",
    "lost": "A kline without trades over missing trade ids.",
    "final": "A kline that will not change any more.",
    "event time": "When the exchange made a trade, by its own clock.",
    "arrival": "When the aggregator received a trade or a tick, in virtual time.",
    "tick": "The signal of the clock at which klines that are over become final.",
    "lag": "What a consumer missed because the channel overwrote what it had not read yet.",
    "lateness": "From a kline's close to the instant at which it was published as final.",
    "taker": "Who trades against an order that is in the book; volumes of takers' buys are apart.",
    "finding": "Something that a check found: an error, a doubt, or a notice.",
    "doubt": "A finding that leaves its check undecided.",
    "notice": "A finding that is only reported.",
    "fault": "Something that was broken on purpose, by the scenario.",
    "control run": "The same scenario without one fault: it tells what that fault changed.",
    "ledger": "The equations that account for every trade and every kline.",
}


def check_sentence(check: str, subject: str = "") -> str:
    """Return what a check does; of one that is not the harness's own, whose it is."""
    own = "What the model of this subject saw of itself: where a known defect of it took effect."
    other = "A check that comes with the aggregator, or with a consumer of your own."
    return CHECKS.get(check, own if check == subject else other)


def cause_sentence(cause: str) -> str:
    """Return what a cause means, each part of one of several; nothing of an unknown one."""
    return ", and ".join(CAUSES[name] for name in cause.split("+") if name in CAUSES)
