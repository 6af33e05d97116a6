/* What the exact aggregator publishes, put in the order of the feed's events.

   The same in numpy is aggregators/emission.py. Of one event klines come in the order of symbol,
   interval and open time, and so do the events of their life, with each kline's in their order;
   a tick's own comes last. Rows are visited in that order and put behind those of earlier events,
   which are counted before. */

#include <stdbool.h>
#include <stdint.h>

#include "partial_row.h"

/* Numbers of kline.py. */
enum { OPENED_PROVISIONAL = 0, OPENED_LIVE = 1, FIRST_TRADE = 2, FINALIZED = 4, TICK = 5 };
/* An interval's klines, sorted by symbol and open time. */
typedef struct {
    const Row *closed, *open;
    int64_t closed_size, open_size, code;
} Level;

typedef struct {
    int16_t *symbol;
    int8_t *interval;
    int64_t *open_time_ns, *open, *high, *low, *close, *volume, *quote_volume, *count,
        *taker_buy_volume, *taker_buy_quote_volume, *first_trade_id, *last_trade_id, *at_ns;
    int8_t *trigger;
} Klines;

typedef struct {
    int16_t *symbol;
    int8_t *life, *interval;
    int64_t *open_time_ns, *trades, *at_ns;
    int8_t *trigger;
} Events;

/* `klines_of` and `events_of` count what each of `events` of the feed from `start` on publishes,
   or, once these are `placed`, say where the next of them goes. */
typedef struct {
    int64_t start, events;
    int64_t *klines_of, *events_of;
    bool is_placed;
    Klines klines;
    Events life;
} Emission;

static inline int64_t next_place(const Emission *all, int64_t *of, int64_t seq) {
    uint64_t at = (uint64_t)seq - (uint64_t)all->start;
    return at < (uint64_t)all->events ? of[at]++ : -1;
}

static bool tell(Emission *all, const Row *row, int64_t code, int life, int64_t seq, int64_t at_ns,
                 int64_t trigger, int64_t trades) {
    int64_t place = next_place(all, all->events_of, seq);
    if (place < 0) return false;
    if (!all->is_placed) return true;
    all->life.symbol[place] = (int16_t)row->symbol;
    all->life.life[place] = (int8_t)life;
    all->life.interval[place] = (int8_t)code;
    all->life.open_time_ns[place] = row->bucket;
    all->life.trades[place] = trades;
    all->life.at_ns[place] = at_ns;
    all->life.trigger[place] = (int8_t)trigger;
    return true;
}

static bool tell_of(Emission *all, const Row *row, int64_t code) {
    bool live = row->first_seq == row->open_seq;
    if (row->open_seq >= all->start &&
        !tell(all, row, code, live ? OPENED_LIVE : OPENED_PROVISIONAL, row->open_seq, row->open_at,
              row->open_trigger, live))
        return false;
    if (row->first_seq >= all->start && row->first_seq != NEVER && !live)
        return tell(all, row, code, FIRST_TRADE, row->first_seq, row->first_at, BY_TRADE, 1);
    return true;
}

static bool publish(Emission *all, const Row *row, int64_t code) {
    int64_t place = next_place(all, all->klines_of, row->close_seq);
    if (place < 0) return false;
    if (!all->is_placed) return true;
    const Klines *out = &all->klines;
    bool quiet = row->applied == 0;
    out->symbol[place] = (int16_t)row->symbol;
    out->interval[place] = (int8_t)code;
    out->open_time_ns[place] = row->bucket;
    out->open[place] = row->open;
    out->high[place] = row->high;
    out->low[place] = row->low;
    out->close[place] = row->close;
    out->volume[place] = quiet ? 0 : row->volume;
    out->quote_volume[place] = quiet ? 0 : row->quote;
    out->count[place] = quiet ? 0 : row->count;
    out->taker_buy_volume[place] = quiet ? 0 : row->taker_volume;
    out->taker_buy_quote_volume[place] = quiet ? 0 : row->taker_quote;
    out->first_trade_id[place] = quiet ? -1 : row->first_id;
    out->last_trade_id[place] = quiet ? -1 : row->last_id;
    out->at_ns[place] = row->close_at;
    out->trigger[place] = (int8_t)row->close_trigger;
    return true;
}

static bool visit(Emission *all, Level *levels, int64_t width, int64_t symbols) {
    for (int64_t symbol = 0; symbol < symbols; symbol++)
        for (Level *level = levels; level < levels + width; level++) {
            for (; level->closed_size && level->closed->symbol == symbol;
                 level->closed++, level->closed_size--) {
                const Row *row = level->closed;
                if (!publish(all, row, level->code) || !tell_of(all, row, level->code) ||
                    !tell(all, row, level->code, FINALIZED, row->close_seq, row->close_at,
                          row->close_trigger, row->applied))
                    return false;
            }
            for (; level->open_size && level->open->symbol == symbol;
                 level->open++, level->open_size--)
                if (!tell_of(all, level->open, level->code)) return false;
        }
    return true;
}

static int64_t place_all(int64_t *counts, int64_t size) {
    int64_t sum = 0;
    for (int64_t at = 0; at < size; at++) {
        int64_t count = counts[at];
        counts[at] = sum;
        sum += count;
    }
    return sum;
}

/* Counts, and then places; `sizes` are the numbers of klines and events. Returns 1, or 0 where
   something happened at no event of these. `levels` are read to their ends. */
EXPORT int64_t kline_emission(Emission *all, Level *levels, int64_t width, int64_t symbols,
                              const int64_t *tick_seq, const int64_t *tick_at_ns,
                              const int64_t *tick_time_ns, int64_t ticks, int64_t *sizes) {
    if (!visit(all, levels, width, symbols)) return 0;
    static const Row no_row = {.symbol = -1};
    for (int64_t tick = 0; tick < ticks; tick++) {
        Row row = no_row;
        row.bucket = tick_time_ns[tick];
        if (!tell(all, &row, -1, TICK, tick_seq[tick], tick_at_ns[tick], BY_TICK, 0)) return 0;
    }
    if (!all->is_placed) {
        sizes[0] = place_all(all->klines_of, all->events);
        sizes[1] = place_all(all->events_of, all->events);
    }
    return 1;
}
