/* Klines of the exact aggregator: the finest interval's from trades and ticks, any other's from
   those of its child.

   The same in numpy are aggregators/exact.py (`_advance_base`) and aggregators/levels.py
   (`roll_up_in_columns`). What those know and this does not ends with a number below zero: late
   trades, sums beyond 64 bits. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "partial_row.h"

enum { DONE = 0, NOT_PLAIN = -1 };

typedef struct {
    Row *rows;
    int64_t room, size;
} Made;

/* One that has no room left goes on counting. */
static Row *put(Made *made, const Row *row) {
    Row *place = made->size < made->room ? &made->rows[made->size] : 0;
    if (place) *place = *row;
    made->size++;
    return place;
}

static inline bool add_values(Row *sum, const Row *part) {
    if (sum->applied == 0) {
        memcpy(&sum->open, &part->open, sizeof(int64_t) * VALUES);
        return true;
    }
    if (part->open_key < sum->open_key) sum->open = part->open, sum->open_key = part->open_key;
    if (part->close_key >= sum->close_key)
        sum->close = part->close, sum->close_key = part->close_key;
    if (part->high > sum->high) sum->high = part->high;
    if (part->low < sum->low) sum->low = part->low;
    if (part->first_id < sum->first_id) sum->first_id = part->first_id;
    if (part->last_id > sum->last_id) sum->last_id = part->last_id;
    return !(__builtin_add_overflow(sum->volume, part->volume, &sum->volume) |
             __builtin_add_overflow(sum->quote, part->quote, &sum->quote) |
             __builtin_add_overflow(sum->taker_volume, part->taker_volume, &sum->taker_volume) |
             __builtin_add_overflow(sum->taker_quote, part->taker_quote, &sum->taker_quote) |
             __builtin_add_overflow(sum->count, part->count, &sum->count) |
             __builtin_add_overflow(sum->applied, part->applied, &sum->applied));
}

static inline void level_at(Row *row, int64_t close) {
    row->open = row->high = row->low = row->close = close;
}

/* --- the finest interval ------------------------------------------------------------------- */

typedef struct {
    int64_t size;
    const int16_t *symbol;
    const int64_t *seq, *price, *quantity, *quote, *trade_id, *first_id, *last_id, *event_time_ns,
        *arrival_ns;
    const uint8_t *buyer_is_maker;
    /* How many rows of the source each one holds: null for one. */
    const int64_t *applied;
} Trades;

typedef struct {
    int64_t size;
    const int64_t *seq, *open_time_ns, *at_ns;
} Ticks;

static inline Row row_of(const Trades *trades, int64_t at, int64_t open_time_ns) {
    int64_t bought = trades->buyer_is_maker[at] ? 0 : 1, price = trades->price[at];
    int64_t first = trades->first_id[at], last = trades->last_id[at], id = trades->trade_id[at];
    return (Row){
        .symbol = trades->symbol[at],
        .bucket = open_time_ns,
        .open = price, .high = price, .low = price, .close = price,
        .volume = trades->quantity[at],
        .quote = trades->quote[at],
        .taker_volume = trades->quantity[at] * bought,
        .taker_quote = trades->quote[at] * bought,
        .count = first < 0 ? 1 : last - first + 1,
        .applied = trades->applied ? trades->applied[at] : 1,
        .open_key = id, .close_key = id, .first_id = first, .last_id = last,
        .open_seq = trades->seq[at], .open_at = trades->arrival_ns[at], .open_trigger = BY_TRADE,
        .first_seq = trades->seq[at], .first_at = trades->arrival_ns[at],
    };
}

/* What is not final of a symbol yet, what was made of it, and how long its klines are. */
typedef struct {
    Row now;
    bool begun;
    int64_t length;
    Made *closed;
} Run;

/* Ends the open kline at the event that opens a later one, with all between them. */
static void move_on(Run *run, Row *next) {
    if (run->begun) {
        Row *now = &run->now;
        now->close_seq = next->open_seq;
        now->close_at = next->open_at;
        now->close_trigger = next->open_trigger;
        put(run->closed, now);
        Row quiet = {.symbol = now->symbol, .open_key = NEVER, .first_seq = NEVER};
        level_at(&quiet, now->close);
        quiet.open_seq = quiet.close_seq = next->open_seq;
        quiet.open_at = quiet.close_at = next->open_at;
        quiet.open_trigger = quiet.close_trigger = next->open_trigger;
        quiet.bucket = now->bucket + run->length;
        for (; quiet.bucket < next->bucket; quiet.bucket += run->length) put(run->closed, &quiet);
        if (next->applied == 0) level_at(next, now->close);
    }
    run->now = *next;
    run->begun = true;
}

static bool take_trade(Run *run, const Trades *trades, int64_t at, int64_t offset) {
    int64_t time = trades->event_time_ns[at];
    if (run->begun && time < run->now.bucket) return false;
    if (!run->begun || time >= run->now.bucket + run->length) {
        Row next = row_of(trades, at, time - floor_mod(time - offset, run->length));
        move_on(run, &next);
        return true;
    }
    Row part = row_of(trades, at, run->now.bucket), *now = &run->now;
    if (!add_values(now, &part)) return false;
    if (part.first_seq < now->first_seq)
        now->first_seq = part.first_seq, now->first_at = part.first_at;
    return true;
}

static void take_tick(Run *run, const Ticks *ticks, int64_t at, int64_t symbol) {
    if (ticks->open_time_ns[at] <= run->now.bucket) return;
    Row next = {
        .symbol = symbol, .bucket = ticks->open_time_ns[at], .open_key = NEVER,
        .open_seq = ticks->seq[at], .open_at = ticks->at_ns[at], .open_trigger = BY_TICK,
        .first_seq = NEVER,
    };
    move_on(run, &next);
}

/* Moves every symbol on by its trades and all ticks. Trades are sorted by symbol and then in the
   order of the feed, as ticks are; `state` has a row for a symbol, in order of symbols. Writes
   closed klines and the open ones, and how many (beyond the room for closed ones, only that). */
EXPORT int64_t kline_finest(const Trades *trades, const Ticks *ticks, const Row *state,
                            int64_t state_size, int64_t length, int64_t offset, Row *closed,
                            int64_t closed_room, Row *open, int64_t *sizes) {
    Made done = {closed, closed_room, 0};
    int64_t at = 0, held = 0, opened = 0;
    while (at < trades->size || held < state_size) {
        Run run = {.length = length, .closed = &done};
        int64_t symbol = at < trades->size ? trades->symbol[at] : INT64_MAX, tick = 0;
        if (held < state_size && state[held].symbol <= symbol) {
            symbol = state[held].symbol;
            run.now = state[held++];
            run.begun = true;
            if (run.now.applied == 0) level_at(&run.now, run.now.close);
        }
        for (; at < trades->size && trades->symbol[at] == symbol; at++) {
            for (; tick < ticks->size && ticks->seq[tick] < trades->seq[at]; tick++)
                if (run.begun) take_tick(&run, ticks, tick, symbol);
            if (!take_trade(&run, trades, at, offset)) return NOT_PLAIN;
        }
        for (; tick < ticks->size; tick++) take_tick(&run, ticks, tick, symbol);
        open[opened++] = run.now;
    }
    sizes[0] = done.size;
    sizes[1] = opened;
    return DONE;
}

/* --- longer intervals ---------------------------------------------------------------------- */

/* An interval: of one length from an offset on, or else with open times of its own. */
typedef struct {
    int64_t length, offset, size;
    const int64_t *opens;
} Span;

static void span_of(const Span *span, int64_t time, int64_t *from, int64_t *until) {
    if (span->length) {
        *from = time - floor_mod(time - span->offset, span->length);
        *until = *from + span->length;
        return;
    }
    int64_t at = 0;
    while (at + 2 < span->size && span->opens[at + 1] <= time) at++;
    *from = span->opens[at];
    *until = span->opens[at + 1];
}

/* The kline that a symbol's parts are put into, and the event that closes it, if one did. */
typedef struct {
    Row sum;
    bool begun, is_first;
    int64_t until, known_close;
    const Row *closer;
} Parent;

static bool give(Parent *parent, Made *closed, Made *open) {
    if (!parent->begun) return true;
    Row *sum = &parent->sum;
    if (sum->applied == 0) level_at(sum, parent->is_first ? sum->close : parent->known_close);
    parent->known_close = sum->close;
    parent->is_first = parent->begun = false;
    if (!parent->closer) return put(open, sum) != 0;
    memcpy(&sum->close_seq, &parent->closer->close_seq, 3 * sizeof(int64_t));
    return put(closed, sum) != 0;
}

/* Adds a part; `values` tells whether its amounts count, or only what happened when. */
static bool put_into(Parent *parent, const Row *part, const Span *span, bool values, Made *closed,
                     Made *open) {
    if (!parent->begun || part->bucket >= parent->until) {
        int64_t from, until;
        span_of(span, part->bucket, &from, &until);
        if (!give(parent, closed, open)) return false;
        parent->sum = *part;
        parent->sum.bucket = from;
        if (!values) parent->sum.applied = 0;
        parent->until = until;
        parent->begun = true;
        parent->closer = 0;
        return true;
    }
    Row *sum = &parent->sum;
    if (part->bucket < sum->bucket) return false;
    if (values && part->applied && !add_values(sum, part)) return false;
    if (part->open_seq < sum->open_seq)
        memcpy(&sum->open_seq, &part->open_seq, 3 * sizeof(int64_t));
    if (part->first_seq < sum->first_seq)
        sum->first_seq = part->first_seq, sum->first_at = part->first_at;
    return true;
}

/* Moves an interval on by what its child closed, and has open; tables are sorted by symbol and
   bucket. Writes closed klines, the open ones, and how many. */
EXPORT int64_t kline_longer(const Row *const *tables, const int64_t *counts, const Span *span,
                            int64_t child_length, Row *closed, int64_t closed_room, Row *open,
                            int64_t open_room, int64_t *sizes) {
    Made done = {closed, closed_room, 0}, left = {open, open_room, 0};
    const Row *state = tables[0], *child = tables[1], *growing = tables[2];
    const Row *states_end = state + counts[0], *childs_end = child + counts[1];
    const Row *growings_end = growing + counts[2];
    while (state < states_end || child < childs_end || growing < growings_end) {
        int64_t symbol = INT64_MAX;
        if (state < states_end) symbol = state->symbol;
        if (child < childs_end && child->symbol < symbol) symbol = child->symbol;
        if (growing < growings_end && growing->symbol < symbol) symbol = growing->symbol;
        Parent parent = {.is_first = true};
        for (; state < states_end && state->symbol == symbol; state++)
            if (!put_into(&parent, state, span, true, &done, &left)) return NOT_PLAIN;
        for (; child < childs_end && child->symbol == symbol; child++) {
            if (!put_into(&parent, child, span, true, &done, &left)) return NOT_PLAIN;
            if (child->bucket + child_length == parent.until) parent.closer = child;
        }
        for (; growing < growings_end && growing->symbol == symbol; growing++)
            if (!put_into(&parent, growing, span, false, &done, &left)) return NOT_PLAIN;
        if (!give(&parent, &done, &left)) return NOT_PLAIN;
    }
    sizes[0] = done.size;
    sizes[1] = left.size;
    return DONE;
}
