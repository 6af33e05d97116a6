/* Trades packed into as few bytes as their values need, found by time, and made wide again.

   The same in numpy is simulation/packed.py. A packed column is `base + step * value`, its values
   unsigned and `width` bytes wide; of width 0 all are the base, and of width 8 they are the
   column's own. A column that follows from others, or is of Python's integers, has no bytes. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* The columns of a tape, in their order. */
enum { SYMBOL, TRADE_ID, PRICE, QUANTITY, QUOTE, FIRST_ID, LAST_ID, EVENT, ARRIVAL, MAKER, KIND,
       COLUMNS };
enum { FOLLOWS = -1, EXACT = -2 };

typedef struct {
    int64_t offset, width, base, step;
} Column;

/* Differences wrap around as those of numpy do. */
static inline int64_t minus(int64_t left, int64_t right) {
    return (int64_t)((uint64_t)left - (uint64_t)right);
}

/* Rows are looked at so many at a time. */
enum { BATCH = 512 };

static inline int64_t least(int64_t left, int64_t right) { return left < right ? left : right; }

#define LOAD(TYPE)                                                                                \
    for (int64_t row = 0; row < count; row++) out[row] = ((const TYPE *)columns[name])[start + row]

/* Read some rows of a column: of the last id how far the first is. */
static void load(const void *const *columns, int name, int64_t start, int64_t count,
                 int64_t *out) {
    const int64_t *first = columns[FIRST_ID], *last = columns[LAST_ID];
    switch (name) {
    case SYMBOL: LOAD(int16_t); break;
    case MAKER: LOAD(uint8_t); break;
    case KIND: LOAD(int8_t); break;
    case LAST_ID:
        for (int64_t row = 0; row < count; row++)
            out[row] = minus(last[start + row], first[start + row]);
        break;
    default: memcpy(out, (const int64_t *)columns[name] + start, (size_t)count * 8);
    }
}

/* Whether all times are a multiple of `step` from the lowest. */
static inline bool divides(const int64_t *times, int64_t rows, int64_t low, uint64_t step) {
    for (int64_t start = 0; start < rows; start += BATCH) {
        uint64_t rest = 0;
        for (int64_t row = start; row < least(rows, start + BATCH); row++)
            rest |= ((uint64_t)times[row] - (uint64_t)low) % step;
        if (rest) return false;
    }
    return true;
}

static int64_t step_of(const int64_t *times, int64_t rows, int64_t low) {
    /* Divisions by what is known beforehand are multiplications. */
    if (divides(times, rows, low, 1000000000ULL)) return 1000000000LL;
    if (divides(times, rows, low, 1000000ULL)) return 1000000LL;
    return divides(times, rows, low, 1000ULL) ? 1000 : 1;
}

static Column measured(const void *const *columns, int name, int64_t rows) {
    int64_t batch[BATCH], low = INT64_MAX, high = INT64_MIN, step = 1;
    for (int64_t start = 0; start < rows; start += BATCH) {
        int64_t count = least(rows - start, BATCH);
        load(columns, name, start, count, batch);
        for (int64_t row = 0; row < count; row++) {
            low = batch[row] < low ? batch[row] : low;
            high = batch[row] > high ? batch[row] : high;
        }
    }
    if (low == high) return (Column){0, 0, low, 1};
    if (name == EVENT || name == ARRIVAL) step = step_of(columns[name], rows, low);
    uint64_t most = ((uint64_t)high - (uint64_t)low) / (uint64_t)step;
    if (most > UINT32_MAX) return (Column){0, 8, 0, 1};
    return (Column){0, most > UINT16_MAX ? 4 : most > UINT8_MAX ? 2 : 1, low, step};
}

static bool is_product(const void *const *columns, int64_t rows) {
    const int64_t *price = columns[PRICE], *quantity = columns[QUANTITY], *quote = columns[QUOTE];
    if (!price || !quantity || !quote) return false;
    for (int64_t row = 0; row < rows; row++) {
        int64_t product;
        if (__builtin_mul_overflow(price[row], quantity[row], &product)) return false;
        if (product != quote[row]) return false;
    }
    return true;
}

/* Say how wide each column is to be; a column of Python's integers is given as NULL. There is at
   least one row. */
EXPORT void kline_measure(int64_t rows, const void *const *columns, Column *layout) {
    for (int name = 0; name < COLUMNS; name++) {
        int64_t special = 0;
        if (!columns[name]) special = EXACT;
        if (name == QUOTE && is_product(columns, rows)) special = FOLLOWS;
        if (name == ARRIVAL && !memcmp(columns[ARRIVAL], columns[EVENT], (size_t)rows * 8))
            special = FOLLOWS;
        layout[name] =
            special ? (Column){0, special, 0, 1} : measured(columns, name, rows);
    }
}

#define NARROW(TYPE, STEP)                                                                        \
    for (int64_t row = 0; row < count; row++)                                                     \
    ((TYPE *)out)[start + row] = (TYPE)(((uint64_t)batch[row] - base) / (STEP))

#define NARROW_BY(STEP)                                                                           \
    switch (column->width) {                                                                      \
    case 1: NARROW(uint8_t, STEP); break;                                                         \
    case 2: NARROW(uint16_t, STEP); break;                                                        \
    case 4: NARROW(uint32_t, STEP); break;                                                        \
    default: NARROW(uint64_t, STEP);                                                              \
    }

/* Write the values of each column to its offset. */
EXPORT void kline_pack(int64_t rows, const void *const *columns, const Column *layout,
                       uint8_t *values) {
    int64_t batch[BATCH];
    for (int name = 0; name < COLUMNS; name++) {
        const Column *column = &layout[name];
        uint64_t base = (uint64_t)column->base;
        void *out = values + column->offset;
        if (column->width <= 0) continue;
        for (int64_t start = 0; start < rows; start += BATCH) {
            int64_t count = least(rows - start, BATCH);
            load(columns, name, start, count, batch);
            switch (column->step) {
            case 1: NARROW_BY(1ULL); break;
            case 1000: NARROW_BY(1000ULL); break;
            case 1000000: NARROW_BY(1000000ULL); break;
            default: NARROW_BY(1000000000ULL);
            }
        }
    }
}

static inline int64_t wide(const Column *column, const uint8_t *values, int64_t row) {
    const void *own = values + column->offset;
    uint64_t value;
    switch (column->width) {
    case 0: value = 0; break;
    case 1: value = ((const uint8_t *)own)[row]; break;
    case 2: value = ((const uint16_t *)own)[row]; break;
    case 4: value = ((const uint32_t *)own)[row]; break;
    default: value = ((const uint64_t *)own)[row];
    }
    return (int64_t)((uint64_t)column->base + (uint64_t)column->step * value);
}

/* Make rows of one column wide; a loop for each width. */
#define WIDEN(TYPE)                                                                               \
    for (int64_t row = 0; row < count; row++)                                                     \
    out[row] = (int64_t)(base + step * ((const TYPE *)own)[start + row])

static void widen(const Column *column, const uint8_t *values, int64_t start, int64_t count,
                  int64_t *out) {
    const void *own = values + column->offset;
    uint64_t base = (uint64_t)column->base, step = (uint64_t)column->step;
    switch (column->width) {
    case 0:
        for (int64_t row = 0; row < count; row++) out[row] = (int64_t)base;
        break;
    case 1: WIDEN(uint8_t); break;
    case 2: WIDEN(uint16_t); break;
    case 4: WIDEN(uint32_t); break;
    default: memcpy(out, (const int64_t *)own + start, (size_t)count * 8);
    }
}

static void widen_bytes(const Column *column, const uint8_t *values, int64_t start, int64_t count,
                        uint8_t *out) {
    const uint8_t *own = values + column->offset + start;
    if (!column->width) memset(out, (uint8_t)column->base, (size_t)count);
    for (int64_t row = 0; column->width && row < count; row++)
        out[row] = (uint8_t)((uint64_t)column->base + own[row]);
}

/* Make rows of some packed trades wide, those of one after those of the other: of each of `chosen`
   the rows `starts` to `stops`. All columns but the symbols are written. */
EXPORT void kline_widen(int64_t parts, const int64_t *chosen, const int64_t *starts,
                        const int64_t *stops, const uint8_t *const *values,
                        const Column *layouts, void *const *out) {
    int64_t at = 0;
    for (int64_t part = 0; part < parts; part++) {
        const Column *layout = layouts + chosen[part] * COLUMNS;
        const uint8_t *own = values[chosen[part]];
        int64_t start = starts[part], count = stops[part] - start;
        int64_t *column[COLUMNS];
        for (int name = TRADE_ID; name < MAKER; name++) {
            column[name] = (int64_t *)out[name] + at;
            if (layout[name].width != FOLLOWS)
                widen(&layout[name], own, start, count, column[name]);
        }
        for (int64_t row = 0; row < count; row++)
            column[LAST_ID][row] =
                (int64_t)((uint64_t)column[LAST_ID][row] + (uint64_t)column[FIRST_ID][row]);
        if (layout[QUOTE].width == FOLLOWS)
            for (int64_t row = 0; row < count; row++)
                column[QUOTE][row] = column[PRICE][row] * column[QUANTITY][row];
        if (layout[ARRIVAL].width == FOLLOWS)
            memcpy(column[ARRIVAL], column[EVENT], (size_t)count * 8);
        widen_bytes(&layout[MAKER], own, start, count, (uint8_t *)out[MAKER] + at);
        widen_bytes(&layout[KIND], own, start, count, (uint8_t *)out[KIND] + at);
        at += count;
    }
}

static inline const Column *arrivals(const Column *layout) {
    return &layout[layout[ARRIVAL].width == FOLLOWS ? EVENT : ARRIVAL];
}

/* How many trades of each pack arrive before each of some instants, pack by pack. */
EXPORT void kline_before(int64_t packs, const int64_t *rows, const uint8_t *const *values,
                         const Column *layouts, int64_t instants, const int64_t *instants_ns,
                         int64_t *out) {
    for (int64_t pack = 0; pack < packs; pack++) {
        const Column *column = arrivals(layouts + pack * COLUMNS);
        for (int64_t each = 0; each < instants; each++) {
            int64_t low = 0, high = rows[pack];
            while (low < high) {
                int64_t middle = low + (high - low) / 2;
                if (wide(column, values[pack], middle) < instants_ns[each])
                    low = middle + 1;
                else
                    high = middle;
            }
            *out++ = low;
        }
    }
}

/* When each `step`-th trade of each pack arrives, from `starts` on. */
EXPORT void kline_sample(int64_t packs, const int64_t *rows, const uint8_t *const *values,
                         const Column *layouts, const int64_t *starts, int64_t step,
                         int64_t *out) {
    for (int64_t pack = 0; pack < packs; pack++) {
        const Column *column = arrivals(layouts + pack * COLUMNS);
        for (int64_t row = starts[pack]; row < rows[pack]; row += step)
            *out++ = wide(column, values[pack], row);
    }
}
