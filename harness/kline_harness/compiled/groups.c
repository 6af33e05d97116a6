/* Rows of int64 columns put together group by group, and integers multiplied into 128 bits.

   The twins in numpy are aggregators/partials.py (`add_up`), checks/roll_up.py (`_reduce`) and
   decimals.py (`scale_to_words`). */

#include <stdbool.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* What becomes of a column; names and order are those of groups.py. Those AT look at another
   column, the key. Those OF_EVERY look at all rows of a group, the others at those that count. */
enum { FIRST = 0, SUM = 1, LOW = 2, HIGH = 3, AT_LOW = 4, AT_HIGH = 5, AT_LOW_OF_EVERY = 6,
       HIGH_OF_EVERY = 7, SUM_OF_EVERY = 8 };

typedef struct {
    const int64_t *order;
    const uint8_t *counts;
} Rows;

static inline int64_t row_at(const Rows *rows, int64_t place) {
    return rows->order ? rows->order[place] : place;
}

/* The row that holds the lowest key, the first of equal ones; or the highest, the last of them. */
static int64_t extreme(const Rows *rows, const int64_t *key, int64_t start, int64_t stop,
                       bool all, bool lowest) {
    int64_t best = -1;
    for (int64_t place = start; place < stop; place++) {
        int64_t row = row_at(rows, place);
        if (!all && !rows->counts[row]) continue;
        if (best < 0 || (lowest ? key[row] < key[best] : key[row] >= key[best])) best = row;
    }
    return best;
}

static bool folded(const Rows *rows, const int64_t *column, int64_t start, int64_t stop, bool all,
                   uint8_t what, int64_t *result) {
    bool begun = false;
    int64_t value = 0;
    for (int64_t place = start; place < stop; place++) {
        int64_t row = row_at(rows, place), other = column[row];
        if (!all && !rows->counts[row]) continue;
        if (!begun) {
            value = other;
            begun = true;
        } else if (what == SUM) {
            if (__builtin_add_overflow(value, other, &value)) return false;
        } else if (what == LOW) {
            value = other < value ? other : value;
        } else {
            value = other > value ? other : value;
        }
    }
    *result = value;
    return true;
}

/* Fills a row of `out` for each group that begins at `starts`. A group without a row that counts
   keeps its first row (`keeps_first`), or else takes all of its rows. Returns 1, or 0 where a sum
   does not fit. */
EXPORT int64_t kline_groups(int64_t groups, const int64_t *starts, int64_t size,
                            const int64_t *order, const uint8_t *counts, int64_t keeps_first,
                            int64_t width, const int64_t *const *columns, const uint8_t *whats,
                            const int64_t *keys, int64_t *const *out) {
    Rows rows = {order, counts};
    for (int64_t group = 0; group < groups; group++) {
        int64_t start = starts[group], stop = group + 1 < groups ? starts[group + 1] : size;
        int64_t first = row_at(&rows, start);
        bool any = false, single = stop - start == 1;
        int64_t sought = -1, key = -1, found = first;
        for (int64_t place = start; place < stop && !any && !single; place++)
            any = counts[row_at(&rows, place)];
        for (int64_t number = 0; number < width; number++) {
            const int64_t *column = columns[number];
            uint8_t what = whats[number];
            bool every = what >= AT_LOW_OF_EVERY;
            int64_t *cell = &out[number][group];
            if (single || what == FIRST || (!every && !any && keeps_first)) {
                *cell = column[first];
            } else if (what == AT_LOW || what == AT_HIGH || what == AT_LOW_OF_EVERY) {
                /* Columns of one key stand side by side: its row is sought once. */
                if (what != sought || keys[number] != key) {
                    sought = what;
                    key = keys[number];
                    found = extreme(&rows, columns[key], start, stop, every || !any,
                                    what != AT_HIGH);
                }
                *cell = column[found];
            } else if (!folded(&rows, column, start, stop, every || !any,
                               what == HIGH_OF_EVERY ? HIGH : what == SUM_OF_EVERY ? SUM : what,
                               cell)) {
                return 0;
            }
        }
    }
    return 1;
}

/* Writes value times factor as 128-bit two's complement, low word first. */
EXPORT void kline_words(int64_t size, const int64_t *values, const uint64_t *factors,
                        uint64_t *words) {
    for (int64_t row = 0; row < size; row++) {
        /* Factors are up to ten to the power of 18, which is positive as a signed number too. */
        __int128 product = (__int128)values[row] * (int64_t)factors[row];
        words[2 * row] = (uint64_t)product;
        words[2 * row + 1] = (uint64_t)(product >> 64);
    }
}
