/* Rows of int64 columns put together group by group, and integers multiplied into 128 bits.

   The same in numpy are aggregators/partials.py (`add_up`), checks/roll_up.py (`_reduce`) and
   decimals.py (`scale_to_words`). */

#include <stdbool.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* What becomes of a column; names and order are those of groups.py. Those AT look at another
   column, the key. Those OF_EVERY look at all rows of a group, the others at those that count. */
enum { FIRST = 0, SUM = 1, LOW = 2, HIGH = 3, AT_LOW = 4, AT_HIGH = 5, AT_LOW_OF_EVERY = 6,
       HIGH_OF_EVERY = 7, SUM_OF_EVERY = 8 };

typedef struct {
    int64_t groups, size;
    const int64_t *starts, *order;
    const uint8_t *counts;
    /* Of each group: how its rows are chosen. */
    int64_t *kinds;
} Groups;

/* A group of one row, or that keeps its first; one of which all rows are taken; or those that
   count. */
enum { ALONE = 0, ALL = 1, SOME = 2 };

static inline int64_t stop_of(const Groups *in, int64_t group) {
    return group + 1 < in->groups ? in->starts[group + 1] : in->size;
}

static inline int64_t row_at(const Groups *in, int64_t place) {
    return in->order ? in->order[place] : place;
}

static inline int64_t kind_of(const Groups *in, int64_t group, bool every) {
    if (!every) return in->kinds[group];
    return stop_of(in, group) - in->starts[group] == 1 ? ALONE : ALL;
}

static void choose(Groups *in, bool keeps_first) {
    for (int64_t group = 0; group < in->groups; group++) {
        int64_t start = in->starts[group], stop = stop_of(in, group), counted = 0;
        for (int64_t place = start; place < stop; place++)
            counted += in->counts[row_at(in, place)] != 0;
        bool alone = stop - start == 1 || (counted == 0 && keeps_first);
        in->kinds[group] = alone ? ALONE : counted == 0 || counted == stop - start ? ALL : SOME;
    }
}

/* The row that holds the lowest key, the first of equal ones; or the highest, the last of them. */
static void find_extremes(const Groups *in, const int64_t *key, bool every, bool lowest,
                          int64_t *found) {
    for (int64_t group = 0; group < in->groups; group++) {
        int64_t start = in->starts[group], stop = stop_of(in, group);
        int64_t kind = kind_of(in, group, every), best = row_at(in, start);
        if (kind != ALONE) {
            bool begun = kind == ALL;
            for (int64_t place = start; place < stop; place++) {
                int64_t row = row_at(in, place);
                if (kind == SOME && !in->counts[row]) continue;
                if (!begun || (lowest ? key[row] < key[best] : key[row] >= key[best])) best = row;
                begun = true;
            }
        }
        found[group] = best;
    }
}

static bool fold_column(const Groups *in, const int64_t *column, uint8_t what, bool every,
                        int64_t *out) {
    for (int64_t group = 0; group < in->groups; group++) {
        int64_t start = in->starts[group], stop = stop_of(in, group);
        int64_t kind = kind_of(in, group, every), value = column[row_at(in, start)];
        if (kind != ALONE) {
            bool begun = kind == ALL;
            for (int64_t place = start + begun; place < stop; place++) {
                int64_t row = row_at(in, place), other = column[row];
                if (kind == SOME && !in->counts[row]) continue;
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
        }
        out[group] = value;
    }
    return true;
}

/* Fills a row of `out` for each group that begins at `starts`; `order` are the rows, in order. A
   group without a row that counts keeps its first row (`keeps_first`), or else takes all of its
   rows. `scratch` has room for two numbers of each group. Returns 1, or 0 where a sum does not
   fit. */
EXPORT int64_t kline_groups(int64_t groups, const int64_t *starts, int64_t size,
                            const int64_t *order, const uint8_t *counts, int64_t keeps_first,
                            int64_t width, const int64_t *const *columns, const uint8_t *whats,
                            const int64_t *keys, int64_t *const *out, int64_t *scratch) {
    Groups in = {groups, size, starts, order, counts, scratch};
    int64_t *found = scratch + groups, sought = -1, key = -1;
    choose(&in, keeps_first);
    for (int64_t number = 0; number < width; number++) {
        const int64_t *column = columns[number];
        uint8_t what = whats[number];
        bool every = what >= AT_LOW_OF_EVERY;
        if (what == FIRST) {
            for (int64_t group = 0; group < groups; group++)
                out[number][group] = column[row_at(&in, starts[group])];
        } else if (what == AT_LOW || what == AT_HIGH || what == AT_LOW_OF_EVERY) {
            /* Columns of one key stand side by side: its rows are sought once. */
            if (what != sought || keys[number] != key) {
                sought = what;
                key = keys[number];
                find_extremes(&in, columns[key], every, what != AT_HIGH, found);
            }
            for (int64_t group = 0; group < groups; group++)
                out[number][group] = column[found[group]];
        } else {
            uint8_t plain = what == HIGH_OF_EVERY ? HIGH : what == SUM_OF_EVERY ? SUM : what;
            if (!fold_column(&in, column, plain, every, out[number])) return 0;
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

/* Adds two's complement integers of `width` 64-bit words, the low one first, to the sums of their
   codes: 32 bits at a time from the lowest on, the highest signed, so that no sum is too long. */
EXPORT void kline_add_halves(int64_t size, int64_t width, const int32_t *codes,
                             const uint64_t *words, int64_t *sums) {
    for (int64_t row = 0; row < size; row++) {
        int64_t *mine = sums + codes[row] * 2 * width;
        for (int64_t word = 0; word < width; word++) {
            uint64_t value = words[row * width + word];
            int64_t upper = (int64_t)value >> 32;
            mine[2 * word] += (int64_t)(value & UINT32_MAX);
            mine[2 * word + 1] += word + 1 < width ? upper & (int64_t)UINT32_MAX : upper;
        }
    }
}
