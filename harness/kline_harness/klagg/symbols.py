"""The symbol-to-index map that klagg's receiving side looks trades up in."""

from __future__ import annotations

from collections.abc import Mapping


class SymbolMap:
    """Which index a symbol's trades are sent to, as the receiving side believes.

    A trade's index is looked up when it is received. The map follows the aggregator's answers to
    commands, `delay_ns` after them, so that a trade received before a removal took effect carries
    an index from before the shift. Symbols are indices into the aggregator's instruments.
    """

    def __init__(self, symbols: Mapping[int, int], delay_ns: int = 0) -> None:
        self.current = dict(symbols)
        self.since_ns = -(2**63)
        self._delay_ns = delay_ns
        self._past: list[tuple[int, dict[int, int]]] = []

    def index_at(self, symbol: int, received_ns: int) -> int:
        """Return the index that a trade received then carries, -1 for an unknown symbol."""
        if received_ns >= self.since_ns:
            return self.current.get(symbol, -1)
        for until_ns, symbols in self._past:
            if received_ns < until_ns:
                return symbols.get(symbol, -1)
        return self.current.get(symbol, -1)

    def add(self, symbol: int, index: int, at_ns: int) -> bool:
        """Learn a new symbol's index; refuse one that is not the next, as the manager does."""
        if index != len(self.current) and symbol not in self.current:
            return False
        self._turn(at_ns)
        self.current[symbol] = index
        return True

    def remove(self, symbol: int, moved: Mapping[int, int], at_ns: int) -> None:
        """Forget a symbol and learn the new indices of those that moved."""
        self._turn(at_ns)
        self.current.pop(symbol, None)
        self.current.update({known: i for known, i in moved.items() if known in self.current})

    def _turn(self, at_ns: int) -> None:
        """Begin a new version of the map; the old one holds for what was received before."""
        self.since_ns = at_ns + self._delay_ns
        self._past.append((self.since_ns, dict(self.current)))
