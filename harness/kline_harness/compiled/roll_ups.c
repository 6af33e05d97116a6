/* Klines of many series put together to those of longer intervals.

   The same in numpy is checks/roll_up.py (`_levels`): each longer interval is made of the nearest
   that was made already. Sums beyond 64 bits, and series that do not go forward, are left to it. */

#include <stdbool.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define CODES 16
#define DAY_NS (86400LL * 1000000000)

/* Names and order are those of the columns of `RollUps`. */
typedef struct {
    int16_t *symbol;
    int8_t *interval;
    int64_t *open_time_ns, *open, *high, *low, *close, *volume, *quote_volume, *count,
        *taker_buy_volume, *taker_buy_quote_volume, *first_trade_id, *last_trade_id, *at_ns;
    int8_t *trigger, *parent;
    int64_t *parent_open_ns, *children;
} Parts;

/* `nearest` says of each interval's klines, and each longer interval, which one it is made of: -1
   for none. The length of a month is 0. */
typedef struct {
    int64_t length[CODES], offset[CODES];
    int8_t nearest[CODES][CODES];
} Plan;

static inline int64_t floor_div(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

/* Where the month of an instant begins. Source: Howard Hinnant's `civil_from_days`. */
static int64_t month_of(int64_t time_ns) {
    int64_t day = floor_div(time_ns, DAY_NS), shifted = day + 719468;
    int64_t of_era = shifted - 146097 * floor_div(shifted, 146097);
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    return (day - (of_year - (153 * month + 2) / 5)) * DAY_NS;
}

static inline int64_t open_time(const Plan *plan, int64_t code, int64_t time_ns) {
    int64_t length = plan->length[code], offset = plan->offset[code];
    if (length == 0) return month_of(time_ns);
    return floor_div(time_ns - offset, length) * length + offset;
}

/* Prices and ids: of parts that traded, or of all where none did. */
static void take_prices(const Parts *from, int64_t row, Parts *to, int64_t at) {
    to->open[at] = from->open[row];
    to->high[at] = from->high[row];
    to->low[at] = from->low[row];
    to->close[at] = from->close[row];
    to->first_trade_id[at] = from->first_trade_id[row];
    to->last_trade_id[at] = from->last_trade_id[row];
}

static void copy(const Parts *from, int64_t row, Parts *to, int64_t at) {
    to->symbol[at] = from->symbol[row];
    to->interval[at] = from->interval[row];
    to->open_time_ns[at] = from->open_time_ns[row];
    take_prices(from, row, to, at);
    to->volume[at] = from->volume[row];
    to->quote_volume[at] = from->quote_volume[row];
    to->count[at] = from->count[row];
    to->taker_buy_volume[at] = from->taker_buy_volume[row];
    to->taker_buy_quote_volume[at] = from->taker_buy_quote_volume[row];
    to->at_ns[at] = from->at_ns[row];
    to->trigger[at] = from->trigger[row];
    to->children[at] = from->children ? from->children[row] : 1;
}

static void join_prices(const Parts *from, int64_t row, Parts *to, int64_t at) {
    if (from->first_trade_id[row] < to->first_trade_id[at]) {
        to->first_trade_id[at] = from->first_trade_id[row];
        to->open[at] = from->open[row];
    }
    if (from->last_trade_id[row] >= to->last_trade_id[at]) {
        to->last_trade_id[at] = from->last_trade_id[row];
        to->close[at] = from->close[row];
    }
    if (from->high[row] > to->high[at]) to->high[at] = from->high[row];
    if (from->low[row] < to->low[at]) to->low[at] = from->low[row];
}

static bool join_sums(const Parts *from, int64_t row, Parts *to, int64_t at) {
    if (from->at_ns[row] > to->at_ns[at]) to->at_ns[at] = from->at_ns[row];
    to->children[at] += from->children ? from->children[row] : 1;
#define ADD(name) __builtin_add_overflow(to->name[at], from->name[row], &to->name[at])
    return !(ADD(volume) | ADD(quote_volume) | ADD(count) | ADD(taker_buy_volume) |
             ADD(taker_buy_quote_volume));
#undef ADD
}

/* Puts parts [row, stop) of one series together; returns where the next goes, or -1. */
static int64_t put_together(const Plan *plan, const Parts *from, int64_t row, int64_t stop,
                            int64_t code, Parts *to, int64_t at) {
    const int64_t *opens = from->parent_open_ns ? from->parent_open_ns : from->open_time_ns;
    int64_t length = plan->length[code];
    for (bool begun = false, traded = false; row < stop; row++) {
        int64_t open = opens[row];
        if (begun && (length ? open - to->parent_open_ns[at] < length
                             : month_of(open) == to->parent_open_ns[at])) {
            bool trades = from->count[row] > 0;
            if (trades == traded)
                join_prices(from, row, to, at);
            else if (trades)
                take_prices(from, row, to, at);
            traded |= trades;
            if (!join_sums(from, row, to, at)) return -1;
            continue;
        }
        at += begun;
        begun = true;
        traded = from->count[row] > 0;
        copy(from, row, to, at);
        to->parent[at] = (int8_t)code;
        to->parent_open_ns[at] = open_time(plan, code, open);
    }
    return at + 1;
}

static int64_t series_end(const Parts *klines, const int64_t size, int64_t row) {
    int64_t stop = row + 1;
    while (stop < size && klines->symbol[stop] == klines->symbol[row] &&
           klines->interval[stop] == klines->interval[row])
        stop++;
    return stop;
}

/* Returns how many rows `kline_roll_ups` makes at most, or -1 where a series does not go forward. */
EXPORT int64_t kline_roll_ups_room(const Plan *plan, const Parts *klines, int64_t size) {
    int64_t room = 0;
    for (int64_t row = 0, stop; row < size; row = stop) {
        stop = series_end(klines, size, row);
        for (int64_t at = row + 1; at < stop; at++)
            if (klines->open_time_ns[at] <= klines->open_time_ns[at - 1]) return -1;
        int64_t span = klines->open_time_ns[stop - 1] - klines->open_time_ns[row];
        for (int64_t code = 0; code < CODES; code++) {
            if (plan->nearest[klines->interval[row]][code] < 0) continue;
            int64_t length = plan->length[code] ? plan->length[code] : 28 * DAY_NS;
            int64_t most = span / length + 2;
            room += most < stop - row ? most : stop - row;
        }
    }
    return room;
}

/* Rolls klines, sorted by symbol, interval and open time, up to all longer intervals, in the order
   of symbol, interval, longer interval and time. Returns how many were made, or -1. */
EXPORT int64_t kline_roll_ups(const Plan *plan, const Parts *klines, int64_t size, Parts *made) {
    int64_t at = 0;
    for (int64_t row = 0, stop; row < size; row = stop) {
        stop = series_end(klines, size, row);
        int64_t own = klines->interval[row], begins[CODES], ends[CODES];
        for (int64_t code = own + 1; code < CODES; code++) {
            int64_t nearest = plan->nearest[own][code];
            if (nearest < 0) continue;
            begins[code] = at;
            at = nearest == own ? put_together(plan, klines, row, stop, code, made, at)
                                : put_together(plan, made, begins[nearest], ends[nearest], code,
                                               made, at);
            if (at < 0) return -1;
            ends[code] = at;
        }
    }
    return at;
}
