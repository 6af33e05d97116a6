"""What the process does with memory that columns of numbers have given back."""

from __future__ import annotations

import ctypes

# Names of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_MAPPED_BYTES = 32 << 20


def keep_freed_memory() -> None:
    """Keep freed memory for the next columns, up to 64 MB at a time, where the C library can.

    Else each column of a slice is mapped anew and filled with zeros by the system: a tenth of the
    time of a run of many symbols.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
