/* A partial kline, as levels.c makes it and emission.c publishes it. */

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define NEVER INT64_MAX

enum { BY_TRADE = 0, BY_TICK = 1 };

/* Names and order are those of aggregators/partials.py. */
typedef struct {
    int64_t symbol, bucket;
    int64_t open, high, low, close, volume, quote, taker_volume, taker_quote, count, applied,
        open_key, close_key, first_id, last_id;
    int64_t open_seq, open_at, open_trigger, first_seq, first_at;
    int64_t close_seq, close_at, close_trigger;
} Row;

/* From `open` to `last_id`. */
#define VALUES 14

static inline int64_t floor_mod(int64_t value, int64_t length) {
    int64_t rest = value % length;
    return rest < 0 ? rest + length : rest;
}
