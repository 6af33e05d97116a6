"""Every known defect of klagg as data: how it is shown, what finds it, or why it cannot be.

Trades are in the language of `tests.feeds`; ``<1:30>`` in a scenario stands for that instant. A
defect is shown twice: by `on`, where it is there, and by `off`, which differs in that alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One defect.

    Shown by a replay: `trades`, the lines before the tables (`head`) and the `tables` of the
    scenario, with `on` and `off` added; `check`, `kind` and some of the `evidence` are those of
    the finding, and kinds in `remains` may be found without the defect too. `quirks` are those of
    the aggregator, with and without it. Shown by an auditor's blind spot: `blind` names the case.
    Otherwise `outside` says why no replay shows it, or what does instead.
    """

    number: int
    severity: str
    sentence: str
    trades: str = ""
    head: str = 'intervals = ["1m", "5m"]'
    tables: str = ""
    on: str = ""
    off: str = ""
    quirks: tuple[str, str] | None = None
    check: str = ""
    kind: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    remains: tuple[str, ...] = ()
    error: str = ""
    blind: str = ""
    outside: str = ""

    @property
    def name(self) -> str:
        """Return the number as text."""
        return f"Q{self.number:02}"


def only(quirk: str, *others: str) -> tuple[str, str]:
    """Return quirks with one, and without it."""
    with_it = ", ".join(f'"{name}"' for name in (quirk, *others))
    return f"[{with_it}]", f"[{', '.join(chr(34) + name + chr(34) for name in others)}]"


# What the ticker's numbers in a first bar (Q07) are found by.
GENESIS = (
    *("not_exact", "not_in_exact", "cross_interval_mismatch", "illegal_transition"),
    *("unbalanced", "trade_ids_withheld"),
)
ONE = 'intervals = ["1m"]'
TICKER = 'open = "9"\nhigh = "12"\nlow = "8"\nclose = "10"\nvolume = "77"\nquote_volume = "770"\n'


def add(symbol: str, time: str, ticker: str = TICKER) -> str:
    """Return a command that adds a symbol at once."""
    return f'[[commands]]\nat = <{time}>\nadd = "{symbol}"\nfirst_time = <{time}>\n{ticker}'


def remove(symbol: str, time: str) -> str:
    """Return a command that removes a symbol."""
    return f'[[commands]]\nat = <{time}>\nremove = "{symbol}"\n'


QUIET_FIVE = "; ".join(f"ALFAUSDT {minute}:30 100x1" for minute in range(5))

DEFECTS = (
    Defect(
        *(1, "A", "A trade older than the open bar vanishes for that period, uncounted."),
        trades="ALFAUSDT 0:59 100x1; ALFAUSDT 0:59.990 100x2 @1:00.200; ALFAUSDT 1:01 100x4",
        head=ONE.replace("]", ', "5m"]') + "\nuntil = <5:00>",
        quirks=only("Q01"),
        check="ledger",
        kind="unbalanced",
    ),
    Defect(
        *(2, "A", "A trade far in the future is believed and rolls every bar forward."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 24:00:00 101x1 @0:31; ALFAUSDT 0:40 100x1 @0:40",
        head=ONE + "\nuntil = <2:00>",
        quirks=only("Q02"),
        check="lifecycle",
        kind="future_open",
    ),
    Defect(
        *(3, "B", "A tick looks at a longer period only when its own minute is its boundary."),
        trades="ALFAUSDT 0:01 100x1; ALFAUSDT 59:30 101x1; ALFAUSDT 1:01:30 101x1",
        head='intervals = ["1m", "5m", "1h"]\nuntil = <1:06:00>',
        tables="[clock]\nmissed = [{ from = <1:00:00>, until = <1:00:30> }]\n",
        quirks=only("Q03"),
        check="lifecycle",
        kind="overdue",
    ),
    Defect(
        *(4, "A", "Records carry no trade ids, so a bar filled over an outage looks quiet."),
        trades="; ".join(
            f"ALFAUSDT {10 * k // 60}:{10 * k % 60:02} 100x1 #{k}"
            for k in (*range(1, 10), *range(25, 37))
        ),
        head=ONE + "\nuntil = <7:00>",
        quirks=only("Q04"),
        check="exactness",
        kind="trade_ids_withheld",
        # Where ids are told, so is the outage.
        remains=("lost_stretch", "missing_trade_ids"),
    ),
    Defect(
        *(5, "A", "The first trade into an uninitialized slot fills every bar since 1970."),
        trades="ALFAUSDT 0:01 100x1; NEWAUSDT 0:05 7x1; ALFAUSDT 0:30 100x1",
        head=ONE + "\nuntil = <2:00>",
        tables='[[commands]]\nat = <0:04>\nadd = "NEWAUSDT"\n[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q05", "Q07"),
        check="klagg",
        kind="uninitialized_slot_trade",
    ),
    Defect(
        *(6, "A", "A new symbol's seeding starts at the second period, wherever genesis is."),
        trades="ALFAUSDT 0:01 100x1; NEWAUSDT 0:05 11x1",
        head='intervals = ["5m", "1m"]\nuntil = <5:00>',
        tables=add("NEWAUSDT", "0:02") + '[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q06", "Q07"),
        check="lifecycle",
        kind="illegal_transition",
        evidence=(("state", "live"), ("event", "opened_provisional")),
        remains=GENESIS,
    ),
    Defect(
        *(7, "A", "A new symbol's first bar holds the ticker's 24 hours and counts one trade."),
        trades="ALFAUSDT 0:01 100x1; NEWAUSDT 0:05 11x1",
        head='intervals = ["1m", "5m"]\nuntil = <5:00>',
        tables=add("NEWAUSDT", "0:02") + '[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q07"),
        check="completeness",
        kind="cross_interval_mismatch",
    ),
    Defect(
        *(8, "A", "The trade count counts aggregate trades, the exchange counts raw ones."),
        trades="ALFAUSDT 0:30 100x1 #1:10-14; ALFAUSDT 1:05 100x1 #2:15-15",
        head=ONE + "\nuntil = <2:00>",
        quirks=only("Q08"),
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(9, "A", "The stored bar is continued although the trades since then were not seen."),
        trades="; ".join(
            [f"ALFAUSDT 0:0{k} 100x1 #{k}" for k in range(1, 6)]
            + [f"ALFAUSDT 0:{k + 14} 100x1 #{k}" for k in range(6, 16)]
            + ["ALFAUSDT 0:45 100x1 #16", "ALFAUSDT 1:05 100x1 #17"]
        ),
        head=ONE + "\nuntil = <2:00>\noutages = [{ from = <0:00>, until = <0:40> }]",
        tables='[[klagg.database]]\nsymbol = "ALFAUSDT"\nintervals = ["1m"]\n'
        'open_time = <0:00>\nopen = "100"\nhigh = "100"\nlow = "100"\nclose = "100"\n'
        'volume = "5"\nquote_volume = "500"\ncount = 5\nfirst_trade_id = 1\nlast_trade_id = 5\n',
        quirks=only("Q09"),
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(10, "A", "Trade ids are not read: duplicates count again."),
        trades="ALFAUSDT 0:10 100x1 #1; ALFAUSDT 0:11 101x2 #2; ALFAUSDT 0:11 101x2 #2",
        head=ONE + "\nuntil = <2:00>",
        quirks=only("Q10"),
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(11, "A", "A unit other than m, h, d or w means minutes: a 1M bar closes every minute."),
        trades=QUIET_FIVE,
        head='intervals = ["1m", "1M"]\nuntil = <5:00>',
        quirks=only("Q11"),
        check="completeness",
        kind="misaligned",
    ),
    Defect(
        *(12, "A", "A new symbol's bar of a period such as 3d opens at the raw time."),
        trades="ALFAUSDT 47:58:00 100x1; NEWAUSDT 47:59:30 10x1; NEWAUSDT 48:00:01 10x1",
        head='intervals = ["1m", "3d"]\nuntil = <48:02:00>',
        tables=add("NEWAUSDT", "47:59:00.500") + '[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q12", "Q07"),
        check="completeness",
        kind="misaligned",
        remains=GENESIS,
    ),
    Defect(
        *(13, "A", "A bar with count 0 is rewritten by its next trade; values are not checked."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 0:31 0x0 #2 SENTINEL; ALFAUSDT 1:05 100x1 #3",
        head=ONE + "\nuntil = <2:00>",
        quirks=only("Q13"),
        check="completeness",
        kind="non_positive_price",
        remains=("missing_trade_ids",),
    ),
    Defect(
        *(14, "A", "Prices and sums are 64-bit floats, added in order of arrival."),
        trades="ALFAUSDT 0:30 100x0.1; ALFAUSDT 0:31 100x0.2; ALFAUSDT 1:05 100x1",
        head=ONE + "\nuntil = <2:00>",
        quirks=only("Q14"),
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(15, "B", "A removed symbol's dirty flags stay set and mute the next symbol's deltas."),
        trades="ALFAUSDT 0:01 1x1; BETAUSDT 0:01.1 1x1; CCCCUSDT 0:04.1 10x1; DDDDUSDT 0:07 11x1",
        head=ONE + "\nuntil = <2:00>",
        tables=add("CCCCUSDT", "0:02")
        + remove("CCCCUSDT", "0:04.2")
        + add("DDDDUSDT", "0:06")
        # Pulled at 0:01, 0:01.5 and so on: not between the trade and the removal.
        + '[gateway]\n[klagg]\nsymbols = ["ALFAUSDT", "BETAUSDT"]\n',
        quirks=only("Q15"),
        check="pulls",
        kind="delta_starved",
    ),
    Defect(
        *(16, "A", "Slots left behind by a removal stay alive in full snapshots, nameless."),
        trades="ALFAUSDT 0:01 1x1; BETAUSDT 0:01 2x2; CCCCUSDT 0:01 3x3; ALFAUSDT 1:00.050 1x1",
        head='intervals = ["5m"]\nuntil = <2:00>',
        tables=remove("BETAUSDT", "0:02") + "[snapshots]\n",
        quirks=only("Q16"),
        check="pulls",
        kind="ghost_row",
    ),
    Defect(
        *(17, "D", "Each removal shortens the list of names: adding at full capacity crashes."),
        trades="ALFAUSDT 0:00.5 1x1; BETAUSDT 0:00.6 1x1; CCCCUSDT 0:03 1x1; BETAUSDT 0:04 1x1",
        head=ONE + "\nuntil = <2:00>",
        tables=remove("ALFAUSDT", "0:01")
        + add("CCCCUSDT", "0:02")
        + '[klagg]\nsymbols = ["ALFAUSDT", "BETAUSDT"]\nmax_symbols = 2\n',
        quirks=only("Q17"),
        check="klagg",
        kind="capacity_lost_by_removal",
    ),
    Defect(
        *(18, "A", "A trade received before a removal took effect goes to a neighbour."),
        trades="ALFAUSDT 0:01 1x1; BETAUSDT 0:01 2x1; CCCCUSDT 0:01 3x1; BETAUSDT 0:05.5 20x10;"
        "BETAUSDT 0:08 2x1; CCCCUSDT 0:08 3x1",
        head=ONE + "\nuntil = <2:00>",
        tables=remove("ALFAUSDT", "0:05") + '[klagg]\nmap_delay = "1s"\n',
        quirks=only("Q18"),
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(19, "A", "A removed symbol's open bars are thrown away."),
        trades="ALFAUSDT 0:01 1x1; BETAUSDT 0:01 2x7; ALFAUSDT 1:01 1x1",
        head=ONE + "\nuntil = <2:00>",
        tables=remove("BETAUSDT", "0:30"),
        quirks=only("Q19"),
        check="exactness",
        kind="missing",
    ),
    Defect(
        *(20, "A", "A symbol can be added twice and is then aggregated in two slots."),
        trades="ALFAUSDT 0:01 100x1; ALFAUSDT 0:03 1x1; ALFAUSDT 1:01 1x1",
        head=ONE + "\nuntil = <2:00>",
        tables=add("ALFAUSDT", "0:02"),
        quirks=only("Q20"),
        check="completeness",
        kind="duplicate",
    ),
    Defect(
        *(21, "D", "An add that fails leaves its slot behind, and no later symbol gets trades."),
        trades="ALFAUSDT 0:00.5 1x1; NEXTUSDT 0:03 5x1; NEXTUSDT 0:04 5x1",
        head=ONE + "\nuntil = <2:00>",
        tables=add("FAILUSDT", "0:01")
        + add("NEXTUSDT", "0:02")
        + '[klagg]\nsymbols = ["ALFAUSDT"]\nunsubscribable = ["FAILUSDT"]\n',
        quirks=only("Q21"),
        check="klagg",
        kind="index_drift",
    ),
    Defect(
        *(22, "B", "Of a new symbol's bars only the first is announced in the deltas."),
        trades="ALFAUSDT 0:01 100x1; ALFAUSDT 0:30 100x1",
        head='intervals = ["1m", "5m", "1h"]\nuntil = <1:00>',
        tables=add("NEWAUSDT", "0:02.1") + '[gateway]\n[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q22", "Q07"),
        check="pulls",
        kind="delta_starved",
        remains=GENESIS,
    ),
    Defect(
        *(23, "D", "A command waits for a full queue of subscriptions and stalls the loop."),
        outside="The queues' capacities are known, how the websocket client empties them is not: "
        "a model would assert what nobody has seen. What such a stall does is shown with a busy "
        "loop (Q32).",
    ),
    Defect(
        *(24, "B", "The state in which a bar closed never shows in the deltas."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 0:59.990 100x2 @1:00.050; ALFAUSDT 1:05 100x1",
        head=ONE + "\nuntil = <2:00>",
        tables="[gateway]\n",
        quirks=only("Q24"),
        check="pulls",
        kind="close_not_shown",
    ),
    Defect(
        *(25, "A", "A full snapshot shows bars that no trade has touched like any other."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 1:05 100x1",
        head=ONE + "\nuntil = <2:00>",
        tables="[snapshots]\n",
        quirks=only("Q25"),
        check="pulls",
        kind="phantom_row_visible",
    ),
    Defect(
        *(26, "A", "A stored row is overwritten by an older or lesser one."),
        trades=QUIET_FIVE + "; ALFAUSDT 5:30 100x1",
        head='intervals = ["5m"]\nuntil = <7:00>',
        tables='[klagg]\nquirks = "fixed"\n',
        on='[snapshots]\nstore_delay = "70s"\nguard = false\n',
        off='[snapshots]\nstore_delay = "70s"\nguard = true\n',
        check="snapshot_writer",
        kind="overwritten_by_lesser",
    ),
    Defect(
        *(27, "C", "Health signals are dead, and quiet looks like death."),
        outside="Reporters and watchdog watch the process, not the klines: nothing of them is in "
        "a feed. What they should have told is checked instead: every trade is accounted for "
        "(ledger), and every missed tick is counted (clock).",
    ),
    Defect(
        *(28, "A", "A new connection forgets the symbols that were added since the start."),
        trades="ALFAUSDT 0:01 100x1; NEWAUSDT 0:20 5x1; ALFAUSDT 1:35 100x1; NEWAUSDT 1:40 6x2",
        head=ONE + "\nuntil = <3:00>",
        tables=add("NEWAUSDT", "0:10") + '[klagg]\nquirks = "fixed"\nsymbols = ["ALFAUSDT"]\n',
        on="[[outages]]\nfrom = <1:00>\nuntil = <1:30>\nforgets_added = true\n",
        off="[[outages]]\nfrom = <1:00>\nuntil = <1:30>\n",
        check="exactness",
        kind="not_exact",
    ),
    Defect(
        *(29, "A", "The writer loses a whole batch on any error."),
        trades=QUIET_FIVE,
        head='intervals = ["1m"]\nuntil = <5:00>',
        tables='[klagg]\nquirks = "fixed"\n',
        on="[writer]\npart_rows = 1\nfailing_commits = [0]\n",
        off="[writer]\npart_rows = 1\nfailing_commits = [0]\nretries = true\n",
        check="writer",
        kind="write_failed",
    ),
    Defect(
        *(30, "B", "Shutdown leaves the open bars unpublished."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 1:20 100x1; ALFAUSDT 1:40 100x1",
        head=ONE + "\nuntil = <3:00>\nshutdown = <1:30>",
        quirks=only("Q30"),
        check="exactness",
        kind="missing",
    ),
    Defect(
        *(31, "A", "One tick is one burst, and what finds no room is lost."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 30:30 100x1",
        head=ONE + "\nuntil = <31:00>",
        tables='[klagg]\nquirks = "fixed"\n'
        "[clock]\nmissed = [{ from = <1:00>, until = <30:00> }]\n",
        on='[channels]\ndesign = "mpsc"\nklines = 16\n',
        off='[channels]\ndesign = "mpsc"\nklines = 10_000\n',
        check="channels",
        kind="klines_lost",
        # A queue has one consumer, so that nothing is audited.
        remains=("not_connected",),
    ),
    Defect(
        *(32, "B", "Writing to the database stalls clock, websocket and gateway together."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on="[loop]\nbusy = [{ from = <0:59>, until = <3:05> }]\n",
        off="",
        check="clock",
        kind="ticks_coalesced",
    ),
    Defect(
        *(33, "C", "The seed's drain loop matches an error that does not exist."),
        outside="It does not compile, so it never ran. Ours is held to it: a drain ends at Empty "
        "or Closed and goes on after Lagged (tests/klagg/test_seed_faults.py).",
    ),
    Defect(
        *(34, "B", "Consumers subscribe after the producer has started, and miss what was sent."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on="[listeners.writer]\nsubscribe_at = <1:30>\n",
        check="channels",
        kind="late_subscriber",
    ),
    Defect(
        *(35, "A", "When the channel closes the writer leaves without flushing its buffer."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on='[writer]\nflush_period = "1h"\nflushes_on_close = false\n',
        off='[writer]\nflush_period = "1h"\n',
        check="ledger",
        kind="unbalanced",
    ),
    Defect(
        *(36, "C", "A dead consumer among two is invisible to the producer."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on="[listeners.completeness]\ndies_at = <1:30>\n",
        check="channels",
        kind="consumer_died",
    ),
    Defect(
        *(37, "C", "A lag is logged but counted by nobody."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 10:30 100x1",
        head=ONE + "\nuntil = <11:00>",
        tables='[klagg]\nquirks = "fixed"\n[channels]\nklines = 4\n'
        "[clock]\nmissed = [{ from = <1:00>, until = <10:00> }]\n",
        on="[writer]\ncounts_lag = false\n",
        off="[writer]\ncounts_lag = true\n",
        check="ledger",
        kind="unbalanced",
        # What is lost is lost: the same burst is too much for every consumer.
        remains=("lost", "klines_lost", "klines_lost_to_lag", "lagged", "gap_after_lag"),
    ),
    Defect(38, "C", "A gap of exactly one missing bar is no gap.", blind="one_missing"),
    Defect(39, "C", "Time going backwards is never flagged.", blind="backwards"),
    Defect(40, "C", "An open time of 0 turns the check of the next record off.", blind="epoch"),
    Defect(41, "C", "Numbers are hardly looked at, and errors are not counted.", blind="numbers"),
    Defect(
        *(42, "C", "The auditor is not wired, while logs say that it is on."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on="[listeners.completeness]\nsubscribe_at = <1:00:00>\n",
        check="channels",
        kind="late_subscriber",
    ),
    Defect(
        *(43, "C", "The lifecycle validator receives no event, ever."),
        trades=QUIET_FIVE,
        head=ONE + "\nuntil = <5:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on="[channels]\nlife_published = false\n",
        check="channels",
        kind="no_lifecycle_events",
    ),
    Defect(44, "C", "The continuity rule compares two equal expressions.", blind="tautology"),
    Defect(45, "C", "Weekly bars fail the alignment rule, always.", blind="monday"),
    Defect(46, "C", "The external audit compares bars that are still open.", blind="in_progress"),
    Defect(
        *(47, "E", "The visual test's clock waits 10 ms, so that it loses more than the service."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 0:59.995 100x1 @1:00.050; ALFAUSDT 1:30 100x1",
        head=ONE + "\nuntil = <2:00>",
        tables='[klagg]\nquirks = "fixed"\n',
        on='[clock]\ngrace = "10ms"\n',
        off='[clock]\ngrace = "110ms"\n',
        check="trades",
        kind="late",
    ),
    Defect(
        *(48, "E", "The web page does not subscribe again after a reconnect."),
        outside="The page is no part of a replay: it shows klines and makes none.",
    ),
    Defect(
        *(49, "D", "One symbol and period without a stored row stops the whole service."),
        trades="ALFAUSDT 0:30 100x1; ALFAUSDT 1:30 100x1",
        head='intervals = ["1m", "5m"]\nuntil = <2:00>',
        on='[klagg]\nquirks = "fixed"\n[[klagg.database]]\nsymbol = "ALFAUSDT"\n'
        'intervals = ["1m"]\nopen_time = <0:00>\nopen = "1"\nhigh = "1"\nlow = "1"\nclose = "1"\n',
        off='[klagg]\nquirks = "fixed"\n',
        error="klagg needs a stored kline of ALFAUSDT 5m to start from",
    ),
    Defect(
        *(50, "D", "The crate's tests cannot be built."),
        outside="A build is no replay. The original's tests that are still true are held by "
        "tests/klagg/test_klagg.py.",
    ),
    Defect(
        *(51, "E", "A trade with an index beyond the array is an error per period, no more."),
        outside="The map gives no such index: adding at capacity is refused before it is told. "
        "A trade without a slot is counted as unmapped.",
    ),
    Defect(
        *(52, "E", "A ticker with an unreadable high kills a debug build."),
        trades="ALFAUSDT 0:01 100x1; ALFAUSDT 1:30 100x1",
        head=ONE + "\nuntil = <2:00>",
        tables=add("NEWAUSDT", "0:02", TICKER.replace('"12"', '"n/a"'))
        + '[klagg]\nsymbols = ["ALFAUSDT"]\n',
        quirks=only("Q07"),
        check="completeness",
        kind="ohlc_order",
    ),
    Defect(
        *(53, "A", "Retired stream routes send nothing: the clock closes flat bars for ever."),
        trades="ALFAUSDT 1:05 101x1 #6; ALFAUSDT 1:30 102x2 #7; ALFAUSDT 2:20 103x1 #8",
        head=ONE + "\nuntil = <4:00>",
        # What was stored before is a minute without a trade.
        tables='[klagg]\nquirks = ["Q09"]\n'
        '[[klagg.database]]\nsymbol = "ALFAUSDT"\nintervals = ["1m"]\n'
        'open_time = <0:00>\nopen = "100"\nhigh = "100"\nlow = "100"\nclose = "100"\n',
        # To the aggregator the connection is up: no trade comes over it, to the end.
        on="[[outages]]\nfrom = <0:00>\nuntil = <1:00:00>\n",
        check="trades",
        kind="nothing_received",
    ),
)
