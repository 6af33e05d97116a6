"""What the process does with memory that columns of numbers have given back."""

from __future__ import annotations

import ctypes

# Names of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 64 << 20
_MAPPED_BYTES = 32 << 20
_RETURNED_BYTES = 128 << 10


def give_back_freed_memory() -> None:
    """Give the system what is free, and from now on what columns free, where the C library can.

    Else long columns of many sizes leave holes that add up to more than they take.
    """
    _set(_RETURNED_BYTES, _RETURNED_BYTES)
    trim()


def trim() -> None:
    """Give the system what is free now, where the C library can; it takes milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def keep_freed_memory() -> None:
    """Keep freed memory for the next columns, up to 64 MB at a time, where the C library can.

    Else each column of a slice is mapped anew and filled with zeros by the system: a tenth of the
    time of a run of many symbols.
    """
    _set(_MAPPED_BYTES, _KEPT_BYTES)


def _set(mapped_bytes: int, kept_bytes: int) -> None:
    """Say from how many bytes on memory is mapped, and how many are kept when they are free."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, mapped_bytes)
    # Columns are few and large: threads seldom meet here, but each would keep what it freed.
    mallopt(_ARENA_MAX, 1)
    mallopt(_TRIM_THRESHOLD, kept_bytes)
