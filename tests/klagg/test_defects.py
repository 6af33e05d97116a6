"""Every known defect of klagg: found where it is, and silence where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.errors import UserError
from kline_harness.verdict import Severity

from tests.klagg.blind_spots import CASES, FALSE_ALARMS
from tests.klagg.defects import DEFECTS, Defect
from tests.klagg.made import FOLDER, REPLAYED, every_file
from tests.klagg.page import PAGE, findings, is_it, page, replayed

# Defects are planted here that the ledger is to find.
pytestmark = pytest.mark.unbalanced
IDS = [defect.name for defect in REPLAYED]


def test_the_files_are_as_made() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert found == every_file(), "run scripts/make_defects"


@pytest.mark.parametrize("defect", REPLAYED, ids=IDS)
def test_found_when_on(defect: Defect, tmp_path: Path) -> None:
    if defect.error:
        with pytest.raises(UserError, match=defect.error):
            replayed(defect, tmp_path, on=True)
        return
    found = findings(replayed(defect, tmp_path, on=True))
    assert any(is_it(defect, one) for one in found)


@pytest.mark.parametrize("defect", REPLAYED, ids=IDS)
def test_silent_when_off(defect: Defect, tmp_path: Path) -> None:
    found = findings(replayed(defect, tmp_path, on=False))
    assert not any(is_it(defect, one) for one in found)
    told = [one for one in found if one.severity is not Severity.NOTICE]
    assert [one for one in told if one.kind not in defect.remains] == []


@pytest.mark.parametrize("name", CASES)
def test_what_their_auditor_gets_wrong(name: str) -> None:
    both = CASES[name]()
    if name in FALSE_ALARMS:
        assert both.theirs
        assert both.ours == ()
    else:
        assert both.theirs == ()
        assert both.ours


def test_every_number_is_decided() -> None:
    assert [defect.number for defect in DEFECTS] == list(range(1, 54))
    for defect in DEFECTS:
        ways = (bool(defect.trades), bool(defect.blind), bool(defect.outside))
        assert sum(ways) == 1, defect.name


def test_the_page_is_as_made(tmp_path: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(tmp_path), "run scripts/make_defects"
