"""Why a kline can differ from the exchange's: one file each, in the order of the registry."""

from __future__ import annotations

from kline_harness.comparison.causes.registry import (
    CAUSES,
    NAMES,
    SET_SIZE_MAX,
    UNRECORDED,
    Cause,
    proof_states,
    undone,
)

__all__ = ["CAUSES", "NAMES", "SET_SIZE_MAX", "UNRECORDED", "Cause", "proof_states", "undone"]
