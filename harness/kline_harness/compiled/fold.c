/* Plain trades and pulls of klagg's loop: those that change nothing but sums and prices of bars
   that are open, and those answered with such bars alone.

   What a trade does to a bar is written in aggregators/klagg_slots.py (`Slot.apply`), what makes it
   plain in aggregators/klagg.py (`on_trade`); here is the same, trade after trade. Amounts are
   either doubles or integers at the scales of the tape. Doubles are only compared and added, each
   bar's in the order of its trades: there is no product that could be fused with a sum, and nothing
   is added in another order. Integers cannot overflow, which the caller has made sure of. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
/* A trade that stands for more raw trades than this is left to the caller. */
#define RAW_TRADES_MAX (1ULL << 31)

typedef union {
    double real;
    int64_t whole;
} Amount;

/* A slot's bar. The first eleven words are a record of an answer to a pull. */
typedef struct {
    int64_t number, open_time_ns, count;
    Amount open, high, low, close, volume, quote_volume, taker_volume, taker_quote_volume;
    int64_t lowest_id, highest_id, first_trade_id, last_trade_id, is_dirty;
} Bar;

#define RECORD_WORDS 11

/* A symbol's bars, a period each. Trades of [from_ns, until_ns) are plain; at first none are.
   `applied` counts the trades added; ids below `seen_end` were seen. */
typedef struct {
    int64_t from_ns, until_ns, applied, seen_end;
    Bar bars[];
} Lane;

/* Names and order are those of the structure in fold.py. */
typedef struct {
    int64_t periods, has_floats, has_ids_checked, counts_aggregates, future_bound_ns;
    int64_t *lanes, *changed;
    int64_t changed_max, log_max, answers_max, gaps_max;
    int64_t *log, *answered_at_ns, *answer_ends, *gaps;

    const int64_t *lane_of;
    const int16_t *symbol;
    const int64_t *trade_id;
    const Amount *price, *quantity, *quote;
    const int64_t *first_id, *last_id, *event_time_ns, *arrival_ns;
    const uint8_t *buyer_is_maker;
    const int8_t *kind;
    const int64_t *pull_at_ns, *pull_position;

    int64_t trade, trade_stop, pull, pull_stop, received_since_ns, answers_pulls;
    int64_t now_ns, changed_count, log_count, answer_count, gap_count;
} Fold;

enum { END = 0, TRADE = 1, PULL = 2, FULL = 3 };

static inline Lane *lane_at(const Fold *fold, int64_t index) {
    int64_t words = (sizeof(Lane) + fold->periods * sizeof(Bar)) / sizeof(int64_t);
    return (Lane *)(fold->lanes + index * words);
}

static inline bool less(Amount left, Amount right, bool floats) {
    return floats ? left.real < right.real : left.whole < right.whole;
}

static inline void add(Amount *sum, Amount value, bool floats) {
    if (floats)
        sum->real += value.real;
    else
        sum->whole += value.whole;
}

static inline void apply(const Fold *fold, int64_t row, Bar *bar, int64_t count, bool floats) {
    Amount price = fold->price[row];
    int64_t id = fold->trade_id[row];
    if (less(bar->high, price, floats)) bar->high = price;
    if (less(price, bar->low, floats)) bar->low = price;
    if (fold->has_ids_checked && id < bar->lowest_id) {
        bar->open = price;
        bar->first_trade_id = fold->first_id[row];
        bar->lowest_id = id;
    }
    if (!fold->has_ids_checked || id > bar->highest_id) {
        bar->close = price;
        bar->last_trade_id = fold->last_id[row];
        bar->highest_id = id;
    }
    add(&bar->volume, fold->quantity[row], floats);
    add(&bar->quote_volume, fold->quote[row], floats);
    if (!fold->buyer_is_maker[row]) {
        add(&bar->taker_volume, fold->quantity[row], floats);
        add(&bar->taker_quote_volume, fold->quote[row], floats);
    }
    bar->count += count;
}

/* The lane of a trade that is plain, NULL for any other; *count is how many raw trades it is. */
static inline Lane *plain_lane(const Fold *fold, int64_t row, int64_t *count) {
    int64_t event_ns = fold->event_time_ns[row], arrival_ns = fold->arrival_ns[row];
    int64_t index = fold->symbol[row] < 0 ? -1 : fold->lane_of[fold->symbol[row]];
    if (index < 0 || fold->kind[row] || arrival_ns < fold->received_since_ns) return NULL;
    Lane *lane = lane_at(fold, index);
    if (event_ns < lane->from_ns || event_ns >= lane->until_ns) return NULL;
    /* From the smaller to the larger, which fits even where their difference has no sign bit. */
    uint64_t ahead_ns = event_ns > arrival_ns ? (uint64_t)event_ns - (uint64_t)arrival_ns : 0;
    if (fold->future_bound_ns >= 0 && ahead_ns > (uint64_t)fold->future_bound_ns) return NULL;
    int64_t id = fold->trade_id[row];
    if (fold->has_ids_checked && (id < lane->seen_end || id == INT64_MAX)) return NULL;
    uint64_t more = (uint64_t)fold->last_id[row] - (uint64_t)fold->first_id[row];
    if (!fold->counts_aggregates && more >= RAW_TRADES_MAX) return NULL;
    *count = fold->counts_aggregates ? 1 : 1 + (int64_t)more;
    return lane;
}

static inline int fold_trade(Fold *fold, bool floats) {
    int64_t row = fold->trade, count;
    Lane *lane = plain_lane(fold, row, &count);
    if (!lane) return TRADE;
    if (fold->changed_count + fold->periods > fold->changed_max) return TRADE;
    if (fold->has_ids_checked) {
        int64_t id = fold->trade_id[row];
        if (id > lane->seen_end) {
            if (fold->gap_count == fold->gaps_max) return FULL;
            int64_t *gap = fold->gaps + 3 * fold->gap_count++;
            gap[0] = fold->lane_of[fold->symbol[row]];
            gap[1] = lane->seen_end;
            gap[2] = id;
        }
        lane->seen_end = id + 1;
    }
    for (int64_t place = 0; place < fold->periods; place++) {
        Bar *bar = lane->bars + place;
        apply(fold, row, bar, count, floats);
        if (!bar->is_dirty) fold->changed[fold->changed_count++] = bar->number;
        bar->is_dirty = 1;
    }
    lane->applied++;
    if (fold->arrival_ns[row] > fold->now_ns) fold->now_ns = fold->arrival_ns[row];
    fold->trade++;
    return END;
}

/* Answer a pull of deltas: log the bars that changed, in the order in which they did. */
static inline int answer_pull(Fold *fold) {
    int64_t changed = fold->changed_count, periods = fold->periods;
    if (!fold->answers_pulls) return PULL;
    for (int64_t k = 0; k < changed; k++) {
        const Lane *lane = lane_at(fold, fold->changed[k] / periods);
        if (lane->from_ns >= lane->until_ns) return PULL;
    }
    if (fold->log_count + changed > fold->log_max) return FULL;
    if (fold->answer_count == fold->answers_max) return FULL;
    for (int64_t k = 0; k < changed; k++) {
        int64_t number = fold->changed[k];
        Bar *bar = lane_at(fold, number / periods)->bars + number % periods;
        int64_t *record = fold->log + RECORD_WORDS * fold->log_count++;
        memcpy(record, bar, RECORD_WORDS * sizeof(int64_t));
        bar->is_dirty = 0;
    }
    fold->changed_count = 0;
    int64_t at_ns = fold->pull_at_ns[fold->pull++];
    if (at_ns > fold->now_ns) fold->now_ns = at_ns;
    fold->answered_at_ns[fold->answer_count] = fold->now_ns;
    fold->answer_ends[fold->answer_count++] = fold->log_count;
    return END;
}

static inline int run(Fold *fold, bool floats) {
    for (;;) {
        int stop;
        if (fold->pull < fold->pull_stop && fold->pull_position[fold->pull] <= fold->trade)
            stop = answer_pull(fold);
        else if (fold->trade < fold->trade_stop)
            stop = fold_trade(fold, floats);
        else
            return END;
        if (stop != END) return stop;
    }
}

/* Process trades up to `trade_stop` and the pulls among them up to `pull_stop`.

   Returns END when all are, TRADE or PULL for the next being one that is not plain, FULL when what
   was logged has to be taken away first. */
EXPORT int kline_fold(Fold *fold) {
    return fold->has_floats ? run(fold, true) : run(fold, false);
}
