"""Where recorded and published market data lies, beside the checkout; never inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA: Path = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real market data is not at {DATA}")
