/* The order of rows by one number, equal ones as they stand.

   The same in numpy is simulation/packed.py (`stable_order`). */

#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define BITS 11
#define BINS (1 << BITS)

/* Write the places of the rows in order of `keys`, and where each row comes in it. `scratch` has
   room for twice as many. Digits of eleven bits are counted, the lowest first; those that are
   alike in all rows are left out. */
EXPORT void kline_order(int64_t rows, const int64_t *keys, int64_t *order, int64_t *places,
                        int64_t *scratch) {
    if (!rows) return;
    uint64_t low = (uint64_t)keys[0], high;
    int64_t least = keys[0], most = keys[0];
    for (int64_t row = 1; row < rows; row++) {
        least = keys[row] < least ? keys[row] : least;
        most = keys[row] > most ? keys[row] : most;
    }
    low = (uint64_t)least;
    high = (uint64_t)most - low;
    uint64_t *key = (uint64_t *)scratch, *other = key + rows;
    int64_t *row_of = order, *moved = places;
    for (int64_t row = 0; row < rows; row++) {
        key[row] = (uint64_t)keys[row] - low;
        row_of[row] = row;
    }
    for (int shift = 0; shift < 64 && high >> shift; shift += BITS) {
        int64_t counts[BINS] = {0}, at = 0;
        for (int64_t row = 0; row < rows; row++) counts[(key[row] >> shift) & (BINS - 1)]++;
        for (int bin = 0; bin < BINS; bin++) {
            int64_t count = counts[bin];
            counts[bin] = at;
            at += count;
        }
        for (int64_t row = 0; row < rows; row++) {
            int64_t to = counts[(key[row] >> shift) & (BINS - 1)]++;
            other[to] = key[row];
            moved[to] = row_of[row];
        }
        uint64_t *keys_before = key;
        int64_t *rows_before = row_of;
        key = other, other = keys_before;
        row_of = moved, moved = rows_before;
    }
    if (row_of != order) memcpy(order, row_of, (size_t)rows * 8);
    for (int64_t row = 0; row < rows; row++) places[order[row]] = row;
}
