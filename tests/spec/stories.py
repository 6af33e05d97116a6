"""The rules and cases of the klines specification, in the small language of `tests/feeds.py`.

Times are hours, minutes and seconds after Monday 2024-01-01 00:00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

STREAMS = "developers.binance.com, USD-M futures, 'Kline/Candlestick Streams'"
REST = "developers.binance.com, 'Kline/Candlestick Data'"
TRADES = "developers.binance.com, USD-M futures, 'Aggregate Trade Streams'"
ARCHIVES = "github.com/binance/binance-public-data"


@dataclass(frozen=True)
class Rule:
    """A rule of the specification: its letter, its sentence and where that comes from."""

    letter: str
    name: str
    sentence: str
    source: str


RULES = (
    Rule(
        "A",
        "boundaries",
        "A kline holds the trades with open_time <= trade time < open_time + interval, in UTC.",
        f"{REST}: close time = open time + interval - 1 ms",
    ),
    Rule(
        "B",
        "order",
        "Within a kline the trade with the lowest id opens it and the one with the highest id "
        "closes it, whatever their times or the order in which they came.",
        f"{ARCHIVES}, issues 12, 288, 293: rows are not sorted, sort by trade id",
    ),
    Rule(
        "C",
        "quiet",
        "Between a symbol's first trade and now every interval has a kline; one without a trade is "
        "flat at the close of the kline before, with zeros.",
        f"{ARCHIVES}, issues 153 and 386",
    ),
    Rule(
        "D",
        "intervals",
        "Intervals up to 12h divide the UTC day; 1d opens at midnight, 3d counts from 1970-01-01, "
        "1w opens on Monday, 1M on the first of the month.",
        f"{REST}: intervals and open times",
    ),
    Rule(
        "E",
        "final",
        "A kline is final when a tick says that its time is over, when a trade of a later kline "
        "comes, or when the feed ends and it has trades; it is published once, then, and in order.",
        f"{STREAMS}: x, 'is this kline closed?'",
    ),
    Rule(
        "F",
        "late",
        "A trade of a kline that is final is late in that interval and changes nothing there; each "
        "interval decides for itself.",
        f"{STREAMS}: a closed kline is not sent again",
    ),
    Rule(
        "G",
        "duplicates",
        "Of several trades with one id of one symbol the first counts and the others do nothing.",
        f"{ARCHIVES}, issue 353; {TRADES}: ids are unique",
    ),
    Rule(
        "H",
        "kinds",
        "Only market trades count: insurance fund, ADL and other kinds, rows that the exchange "
        "marked invalid and trades without quantity do nothing, and use up no id.",
        "dev.binance.vision, threads 18342 and 20484; binance-spot-api-docs, changelog 2022-04-12",
    ),
    Rule(
        "I",
        "aggregates",
        "An aggregate counts last id - first id + 1 trades, all of them at its own time.",
        f"{TRADES}: f, l",
    ),
    Rule(
        "J",
        "taker",
        "Taker buy volumes are those of the trades whose buyer is not the maker.",
        f"{STREAMS}: V, Q; {TRADES}: m",
    ),
    Rule(
        "K",
        "numbers",
        "Sums and products are exact decimals; a quote volume is the sum of price x quantity.",
        f"{STREAMS}: numbers are decimal text",
    ),
    Rule(
        "L",
        "symbols",
        "Symbols have nothing to do with one another, but for the ticks, which are for all.",
        f"{STREAMS}: one stream a symbol",
    ),
    Rule(
        "M",
        "commands",
        "Adding or removing a symbol makes no kline and changes none: klines are made of trades.",
        "this specification: so that any list of symbols gives the same klines",
    ),
)


@dataclass(frozen=True)
class Story:
    """A case: the rule it is about, one sentence, intervals, and the feed as text."""

    letter: str
    name: str
    sentence: str
    intervals: str
    text: str


def _stories(letter: str, *rows: tuple[str, str, str, str]) -> list[Story]:
    return [Story(letter, *row) for row in rows]


BOUNDARIES = _stories(
    "A",
    (
        "opening-instant",
        "A trade at the opening instant belongs to the kline that opens.",
        "1m",
        "X 0:00 100x1; X 1:00 105x2; tick 2:00",
    ),
    (
        "last-millisecond",
        "A trade in the last millisecond belongs to the kline that closes.",
        "1m",
        "X 0:30 100x1; X 0:59.999 105x2; tick 1:00; X 1:30 106x1; tick 2:00",
    ),
    (
        "last-nanosecond",
        "A trade one nanosecond before the end belongs to the kline that closes.",
        "1m",
        "X 0:30 100x1; X 0:59.999999999 105x2; X 1:00 106x3; tick 2:00",
    ),
    (
        "first-nanosecond",
        "A trade one nanosecond after the end belongs to the next kline.",
        "1m",
        "X 0:30 100x1; X 1:00.000000001 105x2; tick 2:00",
    ),
    (
        "two-at-the-boundary",
        "Two trades of the boundary's millisecond both belong to the next kline.",
        "1m",
        "X 0:10 100x1; X 1:00 105x2; X 1:00 95x1; tick 2:00",
    ),
    (
        "hour-boundary",
        "The end of an hour belongs to the next hour, the millisecond before does not.",
        "1h",
        "X 0:00 100x1; X 59:59.999 101x1; X 1:00:00 102x1; tick 2:00:00",
    ),
    (
        "day-boundary",
        "The end of a day belongs to the next day, the millisecond before does not.",
        "1d",
        "X 0:00 100x1; X 23:59:59.999 101x1; X 24:00:00 102x1; tick 48:00:00",
    ),
    (
        "second-boundary",
        "A one-second kline ends where the next begins.",
        "1s",
        "X 0:00 100x1; X 0:00.999999 101x1; X 0:01 102x1; tick 0:02",
    ),
    (
        "first-kline-begins-mid-way",
        "A symbol's first kline opens at its interval's boundary, not at the trade.",
        "5m",
        "X 3:07.5 100x1; X 5:01 101x1; tick 10:00",
    ),
)

ORDER = _stories(
    "B",
    (
        "tie-in-order",
        "Of two trades of one millisecond the higher id closes.",
        "1m",
        "X 0:10 100x1 #1; X 0:10 101x1 #2; tick 1:00",
    ),
    (
        "tie-reversed",
        "Of two trades of one millisecond the lower id opens, though it came later.",
        "1m",
        "X 0:10 101x1 #2; X 0:10 100x1 #1; tick 1:00",
    ),
    (
        "three-tied",
        "Three trades of one millisecond, come as 3, 1, 2: 1 opens and 3 closes.",
        "1m",
        "X 0:10 103x1 #3; X 0:10 101x1 #1; X 0:10 102x1 #2; tick 1:00",
    ),
    (
        "close-by-id-not-time",
        "The highest id closes, though another trade has a later time.",
        "1m",
        "X 0:10 100x1 #1; X 0:30 102x1 #2; X 0:20 101x1 #3; tick 1:00",
    ),
    (
        "open-by-id-not-time",
        "The lowest id opens, though another trade has an earlier time.",
        "1m",
        "X 0:10 100x1 #7; X 0:20 102x1 #5; X 0:30 101x1 #9; tick 1:00",
    ),
    (
        "came-reversed",
        "Trades that came in reverse make the same kline.",
        "1m",
        "X 0:30 102x1 #3 @0:40; X 0:20 99x2 #2 @0:41; X 0:10 100x3 #1 @0:42; tick 1:00",
    ),
    (
        "high-of-an-early-one",
        "The high may come from a trade that came out of order.",
        "1m",
        "X 0:10 100x1 #2; X 0:20 101x1 #3; X 0:05 150x1 #1; tick 1:00",
    ),
    (
        "low-of-an-early-one",
        "The low may come from a trade that came out of order.",
        "1m",
        "X 0:10 100x1 #2; X 0:20 101x1 #3; X 0:05 50x1 #1; tick 1:00",
    ),
    (
        "gap-in-ids",
        "Ids that are left out change nothing.",
        "1m",
        "X 0:10 100x1 #10; X 0:20 101x1 #4000; tick 1:00",
    ),
    ("id-zero", "0 is an id like any other.", "1m", "X 0:20 101x1 #1; X 0:10 100x1 #0; tick 1:00"),
    (
        "ids-beyond-a-double",
        "Ids above 2^53 keep their last digit.",
        "1m",
        (
            "X 0:10 102x1 #9007199254740993; X 0:10 100x1 #9007199254740992; "
            "X 0:10 101x1 #9007199254740994; tick 1:00"
        ),
    ),
    (
        "later-hour-same-ids",
        "Order by id holds in every interval of its own.",
        "1m,1h",
        "X 0:10 100x1 #1; X 1:10 102x1 #4; X 1:05 103x1 #3; X 2:10 101x1 #5; tick 1:00:00",
    ),
)

QUIET = _stories(
    "C",
    (
        "flat-by-tick",
        "A minute without a trade is flat at the close before, with zeros and no trade ids.",
        "1m",
        "X 0:10 100x1; X 0:20 103x2; tick 1:00; tick 2:00",
    ),
    (
        "flat-by-trade",
        "A trade after quiet minutes publishes them, flat, before its own kline opens.",
        "1m",
        "X 0:10 100x1; X 3:10 105x1; tick 4:00",
    ),
    (
        "flat-after-flat",
        "Flat klines follow one another at one price.",
        "1m",
        "X 0:10 100.25x1; tick 1:00; tick 2:00; tick 3:00; tick 4:00",
    ),
    (
        "carried-by-id",
        "The price carried is the close by id, not that of the trade that came last.",
        "1m",
        "X 0:20 103x2 #2; X 0:30 101x1 #1; tick 1:00; tick 2:00",
    ),
    (
        "nothing-before-the-first-trade",
        "Ticks before a symbol's first trade make no kline.",
        "1m",
        "tick 1:00; tick 2:00; X 2:10 100x1; tick 3:00",
    ),
    (
        "tick-far-ahead",
        "A tick after missed ones publishes every kline in between.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 5:00",
    ),
    (
        "first-trade-after-long-silence",
        "A trade after a day of silence publishes every hour in between.",
        "1h",
        "X 10:00 100x1; tick 1:00:00; X 25:30:00 90x1; tick 26:00:00",
    ),
    (
        "quiet-minute-of-a-busy-hour",
        "A minute is quiet by itself, while the longer interval has trades.",
        "1m,5m",
        "X 0:10 100x1; X 2:10 101x1; X 4:30 99x1; tick 5:00",
    ),
    (
        "traded-after-a-tick",
        (
            "A kline that a tick opened takes its open from its first trade, not from the price "
            "carried."
        ),
        "1m",
        "X 0:10 100x1; tick 1:00; X 1:10 105x1; tick 2:00",
    ),
    (
        "carried-price-is-no-low",
        "The price carried is neither high nor low of a kline with trades.",
        "1m",
        "X 0:10 100x1; tick 1:00; X 1:10 105x1; X 1:20 104x1; tick 2:00",
    ),
    (
        "carried-price-is-no-high",
        "The same below the price carried.",
        "1m",
        "X 0:10 100x1; tick 1:00; X 1:10 95x1; X 1:20 96x1; tick 2:00",
    ),
    (
        "quiet-seconds",
        "One-second klines are filled as any other.",
        "1s",
        "X 0:00.5 100x1; X 0:03.5 101x1; tick 0:04",
    ),
    (
        "quiet-after-one-trade-each",
        "Each flat kline carries the close right before it.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 2:00; X 2:10 107x1; tick 3:00; tick 4:00",
    ),
)

INTERVALS = _stories(
    "D",
    (
        "3m",
        "3m klines open at minutes 0, 3, 6.",
        "3m",
        "X 2:59.999 100x1; X 3:00 101x1; X 6:00 102x1; tick 9:00",
    ),
    (
        "5m",
        "5m klines open at minutes 0, 5, 10.",
        "5m",
        "X 4:59.999 100x1; X 5:00 101x1; tick 10:00",
    ),
    (
        "15m",
        "15m klines open at the quarters.",
        "15m",
        "X 14:59.999 100x1; X 15:00 101x1; tick 30:00",
    ),
    (
        "30m",
        "30m klines open at the half hours.",
        "30m",
        "X 29:59.999 100x1; X 30:00 101x1; tick 1:00:00",
    ),
    (
        "1h",
        "1h klines open at the hours.",
        "1h",
        "X 59:59.999 100x1; X 1:00:00 101x1; tick 2:00:00",
    ),
    (
        "2h",
        "2h klines open at even hours.",
        "2h",
        "X 1:59:59.999 100x1; X 2:00:00 101x1; tick 4:00:00",
    ),
    (
        "4h",
        "4h klines open at 0, 4, 8 o'clock.",
        "4h",
        "X 3:59:59.999 100x1; X 4:00:00 101x1; tick 8:00:00",
    ),
    (
        "6h",
        "6h klines open at 0, 6, 12, 18 o'clock.",
        "6h",
        "X 5:59:59.999 100x1; X 6:00:00 101x1; tick 12:00:00",
    ),
    (
        "8h",
        "8h klines open at 0, 8, 16 o'clock.",
        "8h",
        "X 7:59:59.999 100x1; X 8:00:00 101x1; tick 16:00:00",
    ),
    (
        "12h",
        "12h klines open at midnight and noon.",
        "12h",
        "X 11:59:59.999 100x1; X 12:00:00 101x1; tick 24:00:00",
    ),
    (
        "3d",
        "3d klines count from 1970-01-01: 2024-01-01 is their second day.",
        "3d",
        "X 12:00:00 100x1; X 47:59:59.999 101x1; X 48:00:00 102x1; tick 120:00:00",
    ),
    (
        "1w-monday",
        "1w klines open on Monday 00:00 UTC.",
        "1w",
        "X 0:00 100x1; X 167:59:59.999 101x1; X 168:00:00 102x1; tick 336:00:00",
    ),
    (
        "1w-over-new-year",
        "A week goes on over the end of a month: Monday 2024-01-29 to Sunday 2024-02-04.",
        "1w",
        (
            "X 672:00:00 100x1; X 743:59:59 101x1; X 744:00:00 102x1; X 839:59:59.999 103x1; "
            "tick 840:00:00"
        ),
    ),
    (
        "1M-31-days",
        "January has 31 days.",
        "1M",
        "X 0:00 100x1; X 743:59:59.999 101x1; X 744:00:00 102x1; tick 1440:00:00",
    ),
    (
        "1M-leap-february",
        "February 2024 has 29 days.",
        "1M",
        (
            "X 744:00:00 100x1; X 1416:00:00 101x1; X 1439:59:59.999 102x1; X 1440:00:00 103x1; "
            "tick 2184:00:00"
        ),
    ),
    (
        "1M-30-days",
        "April has 30 days.",
        "1M",
        "X 2184:00:00 100x1; X 2903:59:59.999 101x1; X 2904:00:00 102x1; tick 3648:00:00",
    ),
    (
        "1M-february-of-28-days",
        "February 2025 has 28 days.",
        "1M",
        "X 9528:00:00 100x1; X 10199:59:59.999 101x1; X 10200:00:00 102x1; tick 10944:00:00",
    ),
    (
        "1M-over-the-year",
        "December ends with the year: 2024 has 366 days.",
        "1M",
        "X 8040:00:00 100x1; X 8783:59:59.999 101x1; X 8784:00:00 102x1; tick 9528:00:00",
    ),
    (
        "1d-leap-day",
        "2024-02-29 is a day of its own.",
        "1d",
        (
            "X 1415:59:59.999 100x1; X 1416:00:00 101x1; X 1439:59:59.999 102x1; "
            "X 1440:00:00 103x1; tick 1464:00:00"
        ),
    ),
    (
        "1M-quiet-month",
        "A month without a trade is flat; months before it keep their own length.",
        "1M",
        "X 12:00:00 100x1; X 1441:00:00 101x1; tick 2184:00:00",
    ),
    (
        "twelve-at-once",
        "Each interval makes its own klines of the same trades.",
        "1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d",
        (
            "X 23:58:30 100x1; X 23:59:30 102x2 s; X 24:00:00 99x3; tick 24:00:00; "
            "X 24:00:30 98x1; tick 24:01:00"
        ),
    ),
    (
        "3m-and-5m",
        "Where intervals do not nest, the longer one begins within a kline of the shorter.",
        "3m,5m",
        "X 4:50 100x1; X 5:10 101x2; X 5:59 102x4; X 6:01 103x8; tick 9:00; tick 10:00",
    ),
    (
        "3m-and-5m-by-ticks",
        "A tick ends a kline of the longer interval within one of the shorter.",
        "3m,5m",
        "X 4:50 100x1; tick 5:00; X 4:55 150x7 @5:01; X 5:10 101x2; tick 6:00; tick 10:00",
    ),
    (
        "8h-and-12h",
        "12h begins at noon, within the 8h kline of 8 o'clock.",
        "8h,12h",
        "X 11:59:59 100x1; X 12:00:00 101x2; X 16:00:00 102x4; tick 24:00:00",
    ),
)

FINAL = _stories(
    "E",
    (
        "tick-at-the-end",
        "A tick at the end of a kline makes it final.",
        "1m",
        "X 0:10 100x1; tick 1:00",
    ),
    (
        "tick-before-the-end",
        "A tick before the end of a kline does not make it final.",
        "1m",
        "X 0:10 100x1; tick 0:59.999999998; X 0:59.999999999 101x1; tick 1:00",
    ),
    (
        "tick-after-the-end",
        "A tick that comes late makes the kline final with the same times.",
        "1m",
        "X 0:10 100x1; tick 1:07.25; X 1:30 101x1; tick 2:00",
    ),
    (
        "tick-of-the-past",
        "A tick of the past does nothing.",
        "1m",
        "X 1:10 100x1; tick 0:30 @1:20; X 1:30 101x1; tick 2:00",
    ),
    (
        "tick-twice",
        "A tick that comes twice publishes nothing twice.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 1:00; X 1:10 101x1; tick 2:00",
    ),
    (
        "only-what-is-over",
        "A tick makes final what is over and leaves the longer interval open.",
        "1m,5m",
        "X 0:10 100x1; tick 1:00; X 1:10 101x1; tick 2:00; tick 5:00",
    ),
    (
        "all-at-midnight",
        "At midnight every interval of the day is over at once.",
        "1m,1h,1d",
        "X 23:59:10 100x1; tick 24:00:00",
    ),
    (
        "by-the-next-trade",
        "Without a tick, a trade of the next kline makes the one before final.",
        "1m",
        "X 0:10 100x1; X 1:05 101x1; X 2:05 102x1",
    ),
    (
        "at-the-end-of-the-feed",
        "At the end of the feed klines that have trades are published as they are.",
        "1m,1h",
        "X 0:10 100x1; X 0:20 101x1",
    ),
    (
        "flat-at-the-end-of-the-feed",
        "At the end of the feed a kline without a trade is not published: its time is not over.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 1:30",
    ),
    (
        "nothing-at-all",
        "A feed of ticks publishes nothing, also for a symbol that was announced.",
        "1m,1h",
        "tick 1:00; tick 2:00",
    ),
    (
        "two-trades-ahead",
        "A trade ahead of its time moves the symbol on: what follows in the past is late.",
        "1m",
        "X 0:10 100x1; X 1:10 101x1; X 0:50 102x1; X 1:20 103x1; tick 2:00",
    ),
)

LATE = _stories(
    "F",
    (
        "after-the-tick",
        "A trade that comes after the tick that closed its kline is late.",
        "1m",
        "X 0:10 100x1; tick 1:00; X 0:59.9 150x7 @1:00.05; X 1:10 101x1; tick 2:00",
    ),
    (
        "after-a-later-trade",
        "A trade that comes after one of the next kline is late.",
        "1m",
        "X 0:10 100x1; X 1:00.1 101x1; X 0:59.9 150x7; tick 2:00",
    ),
    (
        "late-in-1m-only",
        "A trade that is late in 1m counts in 5m.",
        "1m,5m",
        "X 0:10 100x1; tick 1:00; X 0:50 150x7 @1:10; X 1:20 101x1; tick 2:00; tick 5:00",
    ),
    (
        "late-in-1m-and-5m",
        "A trade that is late in 1m and 5m counts in 1h.",
        "1m,5m,1h",
        "X 0:10 100x1; tick 5:00; X 4:50 150x7 @5:10; X 5:20 101x1; tick 1:00:00",
    ),
    (
        "late-everywhere",
        "A trade that is late in every interval changes nothing.",
        "1m,1h",
        (
            "X 10:00 100x1; tick 1:00:00; X 59:59 150x7 @1:00:10; X 1:00:20 101x1; tick 1:01:00; "
            "tick 2:00:00"
        ),
    ),
    (
        "carries-no-price",
        "A late trade with the highest id does not change the price that is carried.",
        "1m",
        "X 0:10 100x1; tick 1:00; X 0:59.9 150x7 @1:10; tick 2:00; tick 3:00",
    ),
    (
        "late-id-is-used",
        "The id of a late trade is used: the same id again is a duplicate, even in time.",
        "1m",
        (
            "X 0:10 100x1 #1; tick 1:00; X 0:50 150x7 #2 @1:10; X 1:20 151x3 #2; X 1:30 101x1 #3; "
            "tick 2:00"
        ),
    ),
    (
        "in-time-after-the-tick",
        "A trade of the open kline counts, however many ticks came in it.",
        "1m",
        (
            "X 0:10 100x1; tick 1:00; tick 1:10; X 1:05 101x1 @1:20; tick 1:30; "
            "X 1:25 102x2 @1:40; tick 2:00"
        ),
    ),
    (
        "out-of-order-but-open",
        "A trade out of order counts while its kline is open.",
        "1m",
        "X 0:50 100x1 #2; X 0:10 101x2 #1; tick 1:00",
    ),
    (
        "late-for-a-flat-kline",
        "A trade of a flat kline that is final is late, as of any other.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 2:00; X 1:30 150x7 @2:05; X 2:10 101x1; tick 3:00",
    ),
    (
        "late-by-a-millisecond",
        "A trade of the last millisecond that comes with the next kline open is late.",
        "1m",
        "X 0:10 100x1; tick 1:00; X 0:59.999 150x7 @1:00.001; tick 2:00",
    ),
    (
        "first-trade-after-its-tick",
        "A symbol's first trade is never late: ticks before it close nothing of the symbol.",
        "1m,5m",
        "tick 1:00; tick 2:00; X 0:50 100x1 @2:05; X 2:06 101x1; tick 3:00; tick 5:00",
    ),
    (
        "first-trade-after-its-tick-alone",
        "A first trade of a time that is over is published with the next tick, not at once.",
        "1m",
        "tick 1:00; X 0:50 100x1 @1:05; X 0:40 99x2 @1:06; tick 1:10; tick 2:00",
    ),
    (
        "from-before-the-first-kline",
        "A trade from before its symbol's first kline is late.",
        "1m,5m",
        "X 2:10 100x1 #2; X 0:50 150x7 #1 @2:20; tick 3:00; tick 5:00",
    ),
)

DUPLICATES = _stories(
    "G",
    (
        "same-again",
        "The same trade again counts once.",
        "1m",
        "X 0:10 100x1 #1; X 0:20 101x2 #2; X 0:20 101x2 #2; tick 1:00",
    ),
    (
        "other-content",
        "Of two trades with one id the first counts, whatever the second says.",
        "1m",
        "X 0:10 100x1 #1; X 0:20 150x9 #1; X 0:30 101x1 #2; tick 1:00",
    ),
    (
        "in-the-next-minute",
        "A duplicate is one in a later kline too.",
        "1m",
        "X 0:10 100x1 #1; tick 1:00; X 1:10 150x9 #1; X 1:20 101x1 #2; tick 2:00",
    ),
    (
        "moves-no-clock",
        "A duplicate with a later time makes no kline final.",
        "1m",
        "X 0:10 100x1 #1; X 1:10 150x9 #1; X 0:50 101x1 #2; tick 1:00; tick 2:00",
    ),
    (
        "of-another-symbol",
        "The same id of another symbol is another trade.",
        "1m",
        "X 0:10 100x1 #1; Y 0:20 200x2 #1; tick 1:00",
    ),
    (
        "far-apart",
        "A duplicate is one however many trades came in between.",
        "1m",
        (
            "X 0:01 100x1 #1; X 0:02 101x1 #2; X 0:03 102x1 #3; X 0:04 103x1 #4; X 0:05 104x1 #5; "
            "X 0:06 150x9 #1; X 0:07 151x9 #3; tick 1:00"
        ),
    ),
)

KINDS = _stories(
    "H",
    (
        "insurance-fund",
        "An insurance fund trade is in no kline.",
        "1m",
        "X 0:10 100x1; X 0:20 150x9 INSURANCE_FUND; X 0:30 101x1; tick 1:00",
    ),
    (
        "adl",
        "An auto-deleveraging trade is in no kline.",
        "1m",
        "X 0:10 100x1; X 0:20 50x9 ADL; X 0:30 101x1; tick 1:00",
    ),
    (
        "other-kind",
        "A trade of a kind that is not known is in no kline.",
        "1m",
        "X 0:10 100x1; X 0:20 150x9 OTHER; X 0:30 101x1; tick 1:00",
    ),
    (
        "sentinel",
        "A row that the exchange marked invalid is in no kline.",
        "1m",
        "X 0:10 100x1; X 0:20 0x0 #2:-1--1 SENTINEL; X 0:30 101x1; tick 1:00",
    ),
    (
        "zero-quantity",
        "A trade without quantity is in no kline.",
        "1m",
        "X 0:10 100x1; X 0:20 150x0 ZERO_QUANTITY; X 0:30 101x1; tick 1:00",
    ),
    (
        "opens-no-kline",
        "A trade that does not count does not open a symbol's first kline.",
        "1m",
        "X 0:10 150x9 INSURANCE_FUND; tick 1:00; X 1:10 100x1; tick 2:00",
    ),
    (
        "closes-no-kline",
        "A trade that does not count makes no kline final.",
        "1m",
        "X 0:10 100x1; X 1:10 150x9 ADL; X 0:50 101x1; tick 1:00; tick 2:00",
    ),
    (
        "last-of-a-kline",
        "The close is that of the last trade that counts.",
        "1m",
        "X 0:10 100x1; X 0:30 101x1; X 0:50 150x9 INSURANCE_FUND; tick 1:00; tick 2:00",
    ),
    (
        "uses-no-id",
        "The id of a trade that does not count is free: a market trade with it counts.",
        "1m",
        "X 0:10 100x1 #1; X 0:20 150x9 #2 OTHER; X 0:30 101x1 #2; tick 1:00",
    ),
)

AGGREGATES = _stories(
    "I",
    (
        "count",
        "The count is that of the trades inside of the aggregates.",
        "1m",
        "X 0:10 100x1 #1:10-12; X 0:20 101x5 #2:13-13; X 0:30 99x2 #3:14-20; tick 1:00",
    ),
    (
        "at-its-own-time",
        "An aggregate belongs whole to the kline of its time, though its trades reach beyond.",
        "1m",
        "X 0:59.95 100x50 #1:1-50; X 1:00.2 101x1 #2:51-51; tick 2:00",
    ),
    (
        "raw-ids",
        "First and last trade id are those of the first and last aggregate by id.",
        "1m",
        "X 0:20 101x5 #2:13-19; X 0:10 100x1 #1:10-12; tick 1:00",
    ),
    (
        "missing-between",
        "Raw ids that are missing between aggregates are not counted.",
        "1m",
        "X 0:10 100x1 #1:10-12; X 0:20 101x5 #2:20-21; tick 1:00",
    ),
)

TAKER = _stories(
    "J",
    (
        "buys-and-sells",
        "Only the trades whose buyer is not the maker are taker buys.",
        "1m",
        "X 0:10 100x1 b; X 0:20 101x2 s; X 0:30 102x4 b; tick 1:00",
    ),
    (
        "only-sells",
        "Without taker buys both fields are 0.",
        "1m",
        "X 0:10 100x1 s; X 0:20 101x2 s; tick 1:00",
    ),
    (
        "only-buys",
        "With taker buys alone they are all there is.",
        "1m",
        "X 0:10 100x1 b; X 0:20 101x2 b; tick 1:00",
    ),
    (
        "per-interval",
        "Taker buys are counted in each interval.",
        "1m,3m",
        "X 0:10 100x1 s; X 1:10 101x2 b; X 2:10 102x4 s; X 2:20 103x8 b; tick 3:00",
    ),
)

NUMBERS = _stories(
    "K",
    (
        "tenths",
        "0.1 and 0.2 make 0.3, not 0.30000000000000004.",
        "1m",
        "X 0:10 100x0.1; X 0:20 100x0.2; tick 1:00",
    ),
    (
        "many-tenths",
        "Ten times 0.1 make 1.",
        "1m",
        "; ".join(f"X 0:{second} 1x0.1" for second in range(10, 20)) + "; tick 1:00",
    ),
    (
        "different-decimals",
        "Prices with different decimals are added to one another.",
        "1m",
        "X 0:10 100x1; X 0:20 100.25x2; X 0:30 99.125x4; tick 1:00",
    ),
    (
        "small-price",
        "A price of 18 decimals keeps all of them.",
        "1m",
        "X 0:10 0.000000000000000001x3; X 0:20 0.000000000000000002x5; tick 1:00",
    ),
    (
        "long-product",
        "The product of price and quantity keeps all its decimals.",
        "1m",
        "X 0:10 12345.67890123x0.00012345; X 0:20 12345.67890124x0.00012347; tick 1:00",
    ),
    (
        "wide-quote-volume",
        "A quote volume of more than 18 digits is exact.",
        "1m",
        "X 0:10 69420.12345678x251933.12345678; X 0:20 69420.12345679x1.00000001; tick 1:00",
    ),
    (
        "beyond-64-bits",
        "A volume beyond 64 bits of its smallest unit is exact.",
        "1m",
        "X 0:10 1x9223372036.854775807; X 0:20 1x9223372036.854775807; tick 1:00",
    ),
    (
        "trailing-zeros",
        "Zeros at the end of a number change nothing.",
        "1m",
        "X 0:10 100.50x1.000; X 0:20 100.5x2; X 0:30 100.500x3.0; tick 1:00",
    ),
    (
        "beyond-a-double",
        "A price of 17 digits keeps the last one.",
        "1m",
        "X 0:10 72057594037.927937x1; X 0:20 72057594037.927936x1; tick 1:00",
    ),
)

SYMBOLS = _stories(
    "L",
    (
        "interleaved",
        "Two symbols have klines of their own.",
        "1m",
        "X 0:10 100x1; Y 0:11 200x2; X 0:20 101x3; Y 0:21 201x4; tick 1:00",
    ),
    (
        "a-trade-closes-its-own",
        "A trade of one symbol makes no kline of another final.",
        "1m",
        "X 0:10 100x1; Y 0:20 200x1; X 1:10 101x1; Y 0:50 201x1; tick 1:00; tick 2:00",
    ),
    (
        "a-tick-closes-all",
        "A tick is for every symbol.",
        "1m",
        "X 0:10 100x1; Y 0:20 200x1; Z 0:30 300x1; tick 1:00; tick 2:00",
    ),
    (
        "one-begins-later",
        "A symbol that begins later has no klines before its first trade.",
        "1m",
        "X 0:10 100x1; tick 1:00; tick 2:00; Y 2:10 200x1; tick 3:00",
    ),
    (
        "one-falls-silent",
        "A symbol that falls silent is filled while others trade.",
        "1m",
        "X 0:10 100x1; Y 0:20 200x1; tick 1:00; X 1:10 101x1; tick 2:00; X 2:10 102x1; tick 3:00",
    ),
    (
        "not-ascii",
        "A symbol's name may hold any letter.",
        "1m",
        "币安人生USDT 0:10 100x1; ÅÄÖUSDT 0:20 200x1; tick 1:00",
    ),
)

COMMANDS = _stories(
    "M",
    (
        "added-before-its-first-trade",
        "Adding a symbol publishes nothing; its first kline is that of its first trade.",
        "1m",
        "add X 0:00 none; tick 1:00; X 1:10 100x1; tick 2:00",
    ),
    (
        "added-twice",
        "Adding a symbol again changes nothing.",
        "1m",
        "add X 0:00 none; X 0:10 100x1; add X 0:20 none; X 0:30 101x2; tick 1:00",
    ),
    (
        "never-added",
        "A symbol that nobody added has klines of its trades.",
        "1m",
        "add X 0:00 none; X 0:10 100x1; Y 0:20 200x1; tick 1:00",
    ),
    (
        "removed-and-traded",
        "Removing a symbol drops nothing: trades that still come count.",
        "1m",
        "X 0:10 100x1; remove X 0:20; X 0:30 101x2; tick 1:00",
    ),
    (
        "removed-and-silent",
        "A symbol that was removed is filled as long as there are ticks.",
        "1m",
        "X 0:10 100x1; remove X 0:20; tick 1:00; tick 2:00",
    ),
)

STORIES: tuple[Story, ...] = (
    *(*BOUNDARIES, *ORDER, *QUIET, *INTERVALS, *FINAL, *LATE),
    *(*DUPLICATES, *KINDS, *AGGREGATES, *TAKER, *NUMBERS, *SYMBOLS, *COMMANDS),
)
