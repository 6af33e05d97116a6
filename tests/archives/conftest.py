"""Both readers of rows, for the tests that ask for either."""

from __future__ import annotations

import pytest
from kline_harness.compiled import library


@pytest.fixture(params=["compiled", "pyarrow"])
def either_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with the compiled loop, then without it."""
    if request.param == "pyarrow":
        monkeypatch.setattr(library, "LIBRARY", None)
    elif library.LIBRARY is None:
        pytest.skip("nothing was compiled: no C compiler")
