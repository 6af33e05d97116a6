/* Rows of comma-separated numbers to int64 columns, exactly.

   The grammar is the strict part of the one in archives/table.py: an optional minus and digits for
   integers; digits with at most one point for decimals, 18 digits once scaled; a few words
   for booleans. At anything else parsing stops and says where: the caller then takes the reader
   that knows every case and its error messages. */

#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define DIGITS_MAX 18
#define COLUMNS_MAX 64
/* What the reader that knows every case takes: a decimal of 38 digits. */
#define LENGTH_MAX 38

enum { INTEGER = 0, EXACT = 1, BOOLEAN = 2 };

static const int64_t POWERS[DIGITS_MAX + 1] = {1LL,
                                               10LL,
                                               100LL,
                                               1000LL,
                                               10000LL,
                                               100000LL,
                                               1000000LL,
                                               10000000LL,
                                               100000000LL,
                                               1000000000LL,
                                               10000000000LL,
                                               100000000000LL,
                                               1000000000000LL,
                                               10000000000000LL,
                                               100000000000000LL,
                                               1000000000000000LL,
                                               10000000000000000LL,
                                               100000000000000000LL,
                                               1000000000000000000LL};

/* How many of the eight bytes of a word, low first, are digits before the first that is not. */
static inline int leading_digits(uint64_t word) {
    uint64_t high = (word & 0xF0F0F0F0F0F0F0F0ULL) ^ 0x3030303030303030ULL;
    uint64_t over = ((word + 0x0606060606060606ULL) & 0xF0F0F0F0F0F0F0F0ULL) ^ 0x3030303030303030ULL;
    uint64_t other = high | over;
    return other ? __builtin_ctzll(other) >> 3 : 8;
}

/* The number that eight digits, low byte first, spell: pairs, then fours, then all. */
static inline int64_t eight_digits(uint64_t word) {
    word = (word & 0x0F0F0F0F0F0F0F0FULL) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFULL) * 6553601 >> 16;
    return (int64_t)((word & 0x0000FFFF0000FFFFULL) * 42949672960001ULL >> 32);
}

/* Read digits into *value, at most `most` of them; return where they end, NULL beyond `most`. */
static inline const char *digits(const char *at, const char *end, int most, int64_t *value) {
    const char *start = at;
    int64_t sum = *value;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        int count = leading_digits(word);
        if (at - start + count > most) return NULL;
        if (count == 8) {
            sum = sum * 100000000 + eight_digits(word);
            at += 8;
            continue;
        }
        /* Shifted up, the digits are the last of eight whose first are zeros. */
        if (count) sum = sum * POWERS[count] + eight_digits(word << (8 * (8 - count)));
        *value = sum;
        return at + count;
    }
    while (at < end && (unsigned char)(*at - '0') < 10) {
        if (at - start >= most) return NULL;
        sum = sum * 10 + (*at++ - '0');
    }
    *value = sum;
    return at;
}

/* Read an integer of `length` digits, 8 to 16, if that is what it has: most have as many as the one
   above them, and where that is tried first the next field does not wait for this one's digits. */
static inline const char *as_before(const char *at, const char *end, int length, int64_t *out) {
    if (length < 8 || end - at <= length || at[length] != ',') return NULL;
    uint64_t first, last;
    memcpy(&first, at, 8);
    memcpy(&last, at + length - 8, 8);
    if (leading_digits(first) < 8 || leading_digits(last) < 8) return NULL;
    /* Of the last eight digits those that are not among the first eight, after zeros. */
    uint64_t shift = 8 * (16 - length);
    uint64_t rest = length > 8 ? last >> shift << shift : 0;
    *out = eight_digits(first) * POWERS[length - 8] + eight_digits(rest);
    return at + length;
}

static inline const char *integer(const char *at, const char *end, int64_t *out) {
    int negative = at < end && *at == '-';
    const char *start = at + negative;
    int64_t value = 0;
    at = digits(start, end, DIGITS_MAX, &value);
    if (!at || at == start) return NULL;
    *out = negative ? -value : value;
    return at;
}

/* Read `scale` digits after the point into *value; only zeros may follow. */
static const char *long_fraction(const char *at, const char *end, int scale, int64_t *value) {
    for (int count = 0; at < end && (unsigned char)(*at - '0') < 10; at++, count++) {
        if (count < scale)
            *value = *value * 10 + (*at - '0');
        else if (*at != '0')
            return NULL;
    }
    return at;
}

/* A decimal scaled by ten to the power of `scale`; more decimals than that, unless they are zeros,
   are no part of it. `used` becomes the number of its decimals up to the last that is no zero, if
   that is more. */
static inline const char *exact(const char *at, const char *end, int scale, int64_t *out,
                                int64_t *used) {
    const char *start = at;
    int64_t value = 0;
    at = digits(at, end, DIGITS_MAX - scale, &value);
    if (!at) return NULL;
    int whole = (int)(at - start), fraction = 0;
    if (at < end && *at == '.') {
        const char *point = ++at;
        int64_t before = value;
        at = digits(at, end, scale, &value);
        if (!at) {
            value = before;
            at = long_fraction(point, end, scale, &value);
            if (!at || at - start > LENGTH_MAX) return NULL;
        }
        fraction = (int)(at - point);
        if (fraction > *used) {
            const char *last = at;
            while (last - point > *used && last[-1] == '0') last--;
            *used = last - point;
        }
        if (fraction > scale) fraction = scale;
        if (whole + (at - point) == 0) return NULL;
    } else if (!whole) {
        return NULL;
    }
    *out = value * POWERS[scale - fraction];
    return at;
}

static inline const char *boolean(const char *at, const char *end, uint8_t *out) {
    int64_t left = end - at;
    if (left >= 5) {
        /* Either word, without a branch on which: one cannot be foretold. */
        int is_true = !memcmp(at, "true", 4), is_false = !memcmp(at, "false", 5);
        if (is_true | is_false) {
            *out = (uint8_t)is_true;
            return at + 5 - is_true;
        }
    }
    if (left >= 4 && (!memcmp(at, "true", 4) || !memcmp(at, "True", 4) || !memcmp(at, "TRUE", 4))) {
        *out = 1;
        return at + 4;
    }
    if (left >= 5 && (!memcmp(at, "False", 5) || !memcmp(at, "FALSE", 5))) {
        *out = 0;
        return at + 5;
    }
    if (left >= 1 && (*at == '0' || *at == '1')) {
        *out = (uint8_t)(*at - '0');
        return at + 1;
    }
    return NULL;
}

/* Parse `length` bytes of `text`, which hold at most `rows` rows, into `out`: for each column of
   `kinds` an array of `rows` int64, or of bytes for booleans; `scales` counts for decimals, whose
   decimals that are not zeros at their ends come into `used`.

   Returns the number of rows, or -1 - row for the first row that is not plain. A text without a
   line end at its end has a last row all the same. */
EXPORT int64_t kline_parse_rows(const char *text, int64_t length, int64_t columns,
                                const uint8_t *kinds, const int64_t *scales, void *const *out,
                                int64_t rows, int64_t *used) {
    const char *at = text, *end = text + length;
    int lengths[COLUMNS_MAX] = {0};
    int64_t row = 0;
    if (columns > COLUMNS_MAX) return -1;
    for (; at < end; row++) {
        if (row == rows) return -1 - row;
        for (int64_t column = 0; column < columns; column++) {
            if (kinds[column] == INTEGER) {
                int64_t *value = (int64_t *)out[column] + row;
                const char *next = as_before(at, end, lengths[column], value);
                if (!next) {
                    next = integer(at, end, value);
                    lengths[column] = next && next - at <= 16 && *at != '-' ? (int)(next - at) : 0;
                }
                at = next;
            }
            else if (kinds[column] == EXACT)
                at = exact(at, end, (int)scales[column], (int64_t *)out[column] + row,
                           &used[column]);
            else
                at = boolean(at, end, (uint8_t *)out[column] + row);
            if (!at) return -1 - row;
            if (column + 1 < columns && (at == end || *at++ != ',')) return -1 - row;
        }
        if (at < end && *at == '\r') at++;
        if (at < end && *at++ != '\n') return -1 - row;
    }
    return row;
}

/* How many line feeds a text has. Counted in bytes that are too narrow to overflow before they are
   added up, which compilers turn into vectors of them. */
EXPORT int64_t kline_count_feeds(const char *text, int64_t length) {
    enum { LANES = 64, TURNS = 255 };
    int64_t total = 0, at = 0;
    while (length - at >= LANES) {
        uint8_t lanes[LANES] = {0};
        for (int turn = 0; turn < TURNS && length - at >= LANES; turn++, at += LANES)
            for (int lane = 0; lane < LANES; lane++) lanes[lane] += text[at + lane] == '\n';
        for (int lane = 0; lane < LANES; lane++) total += lanes[lane];
    }
    for (; at < length; at++) total += text[at] == '\n';
    return total;
}

/* Turn the times of trades into nanoseconds and multiply price and quantity (`quote` is NULL where
   it is stated), if every row is as most are: ids from 0 on, `first` (NULL for raw trades) not
   above `last`, more than nothing traded at more than nothing, times from `low` to `high`,
   products within 64 bits. Else return 0. */
EXPORT int64_t kline_trades(int64_t rows, const int64_t *id, const int64_t *price,
                            const int64_t *quantity, const int64_t *first, const int64_t *last,
                            const int64_t *time, int64_t low, int64_t high, int64_t unit,
                            int64_t *time_ns, int64_t *quote) {
    int bad = 0;
    for (int64_t row = 0; row < rows; row++) {
        bad |= (id[row] < 0) | (price[row] <= 0) | (quantity[row] <= 0);
        bad |= (time[row] < low) | (time[row] > high);
    }
    for (int64_t row = 0; first && row < rows; row++)
        bad |= (first[row] < 0) | (last[row] < first[row]);
    if (bad) return 0;
    for (int64_t row = 0; quote && row < rows; row++)
        bad |= __builtin_mul_overflow(price[row], quantity[row], &quote[row]);
    if (bad) return 0;
    for (int64_t row = 0; row < rows; row++) time_ns[row] = time[row] * unit;
    return 1;
}
