#include <stdint.h>

/* The number in library.py: raised with every change of a signature. */
__attribute__((visibility("default"))) int64_t kline_version(void) { return 10; }
