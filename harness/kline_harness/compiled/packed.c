/* Trades packed into as few bytes as their values need, found by time, and made wide again.

   The twin in numpy is simulation/packed.py. A packed column is `base + step * value`, its values
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

static const int64_t STEPS[] = {1000000000LL, 1000000LL, 1000LL};

/* Differences wrap around as those of numpy do. */
static inline int64_t minus(int64_t left, int64_t right) {
    return (int64_t)((uint64_t)left - (uint64_t)right);
}

static inline int64_t value_of(const void *const *columns, int column, int64_t row) {
    switch (column) {
    case SYMBOL: return ((const int16_t *)columns[SYMBOL])[row];
    case LAST_ID:
        return minus(((const int64_t *)columns[LAST_ID])[row],
                     ((const int64_t *)columns[FIRST_ID])[row]);
    case MAKER: return ((const uint8_t *)columns[MAKER])[row];
    case KIND: return ((const int8_t *)columns[KIND])[row];
    default: return ((const int64_t *)columns[column])[row];
    }
}

static inline void measure(const void *const *columns, int column, int64_t rows, Column *out) {
    int64_t low = value_of(columns, column, 0), high = low, step = 1;
    for (int64_t row = 1; row < rows; row++) {
        int64_t value = value_of(columns, column, row);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    *out = (Column){0, 0, low, 1};
    if (low == high) return;
    for (int each = 0; (column == EVENT || column == ARRIVAL) && each < 3 && step == 1; each++) {
        int64_t row = 0;
        while (row < rows && minus(value_of(columns, column, row), low) % STEPS[each] == 0) row++;
        if (row == rows) step = STEPS[each];
    }
    uint64_t most = ((uint64_t)high - (uint64_t)low) / (uint64_t)step;
    if (most > UINT32_MAX)
        *out = (Column){0, 8, 0, 1};
    else
        *out = (Column){0, most > UINT16_MAX ? 4 : most > UINT8_MAX ? 2 : 1, low, step};
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
    for (int column = 0; column < COLUMNS; column++) {
        int64_t special = 0;
        if (!columns[column]) special = EXACT;
        if (column == QUOTE && is_product(columns, rows)) special = FOLLOWS;
        if (column == ARRIVAL && !memcmp(columns[ARRIVAL], columns[EVENT], (size_t)rows * 8))
            special = FOLLOWS;
        if (special) {
            layout[column] = (Column){0, special, 0, 1};
            continue;
        }
        /* Each kind of column has a loop of its own. */
        switch (column) {
        case SYMBOL: measure(columns, SYMBOL, rows, &layout[column]); break;
        case LAST_ID: measure(columns, LAST_ID, rows, &layout[column]); break;
        case MAKER: measure(columns, MAKER, rows, &layout[column]); break;
        case KIND: measure(columns, KIND, rows, &layout[column]); break;
        case EVENT: measure(columns, EVENT, rows, &layout[column]); break;
        case ARRIVAL: measure(columns, ARRIVAL, rows, &layout[column]); break;
        default: measure(columns, column, rows, &layout[column]);
        }
    }
}

static inline uint64_t small(int64_t value, const Column *column, int64_t step) {
    return ((uint64_t)value - (uint64_t)column->base) / (uint64_t)step;
}

static inline void narrow(const void *const *columns, int name, int64_t rows, const Column *column,
                          int64_t step, uint8_t *values) {
    void *out = values + column->offset;
    for (int64_t row = 0; row < rows; row++) {
        uint64_t value = small(value_of(columns, name, row), column, step);
        switch (column->width) {
        case 1: ((uint8_t *)out)[row] = (uint8_t)value; break;
        case 2: ((uint16_t *)out)[row] = (uint16_t)value; break;
        case 4: ((uint32_t *)out)[row] = (uint32_t)value; break;
        default: ((uint64_t *)out)[row] = value;
        }
    }
}

/* Write the values of each column to its offset. */
EXPORT void kline_pack(int64_t rows, const void *const *columns, const Column *layout,
                       uint8_t *values) {
    for (int name = 0; name < COLUMNS; name++) {
        const Column *column = &layout[name];
        if (column->width <= 0) continue;
        /* Divisions by what is known beforehand are multiplications. */
        switch (column->step) {
        case 1: narrow(columns, name, rows, column, 1, values); break;
        case 1000000000LL: narrow(columns, name, rows, column, 1000000000LL, values); break;
        case 1000000LL: narrow(columns, name, rows, column, 1000000LL, values); break;
        default: narrow(columns, name, rows, column, 1000LL, values);
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
    for (int64_t row = 0; row < count; row++) out[row] = (uint8_t)wide(column, values, start + row);
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
