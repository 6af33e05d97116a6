/* Rows of several columns picked by their numbers, in one call.

   The same in numpy is `column[rows]`, which also takes numbers from the end. */

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#define PICK(type)                                                          \
    do {                                                                    \
        const type *from = given[column];                                   \
        type *to = made[column];                                            \
        for (int64_t row = 0; row < rows; row++) to[row] = from[of[row]];   \
    } while (0)

/* Of each column, `widths` bytes a value, write the rows `of`. Returns 0, and writes nothing, where
   one of these is not among `size`. */
EXPORT int64_t kline_pick(int64_t rows, const int64_t *of, int64_t size, int64_t columns,
                            const void **given, const uint8_t *widths, void **made) {
    uint64_t most = 0;
    for (int64_t row = 0; row < rows; row++)
        most = (uint64_t)of[row] > most ? (uint64_t)of[row] : most;
    if (rows && most >= (uint64_t)size) return 0;
    for (int64_t column = 0; column < columns; column++) {
        if (widths[column] == 8) PICK(int64_t);
        else if (widths[column] == 4) PICK(int32_t);
        else if (widths[column] == 2) PICK(int16_t);
        else PICK(int8_t);
    }
    return 1;
}
