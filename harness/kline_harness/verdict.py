"""What a check says: valid, invalid or unknown, with counts and findings as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kline_harness.run_rows import CheckRow, FindingRow


class Validity(Enum):
    """The three answers of a check; on merging, the worst wins."""

    VALID = "valid"
    UNKNOWN = "unknown"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        """Return the exit code of the command: 0 valid, 1 invalid, 3 unknown."""
        return {"valid": 0, "invalid": 1, "unknown": 3}[self.value]


# A finding that tells how many of each kind were found and not kept.
OMITTED = "findings_omitted"
_WORSE = (Validity.VALID, Validity.UNKNOWN, Validity.INVALID)


class Severity(Enum):
    """Whether a finding makes its check invalid, leaves it unknown, or is only reported.

    The worst comes first: pages and the terminal list findings in this order.
    """

    ERROR = "error"
    DOUBT = "doubt"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found.

    `kind` is a stable snake_case name; `open_time_ns` the kline concerned and `at_ns` the
    virtual instant, where there is one; `evidence` holds numbers and text only (exact numbers
    as decimal text).
    """

    check: str
    kind: str
    severity: Severity = Severity.ERROR
    symbol: str | None = None
    interval: str | None = None
    open_time_ns: int | None = None
    at_ns: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> FindingRow:
        """Return the finding as a JSON object."""
        return {
            "check": self.check,
            "kind": self.kind,
            "severity": self.severity.value,
            "symbol": self.symbol,
            "interval": self.interval,
            "open_time_ns": self.open_time_ns,
            "at_ns": self.at_ns,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one check.

    `needs` says what it looks at, and `counts` how much of that there was and what it saw;
    `not_checked` says what it does not verify.
    """

    check: str
    validity: Validity
    counts: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()
    needs: str = ""

    @staticmethod
    def of(
        check: str,
        counts: Mapping[str, int],
        findings: Iterable[Finding],
        not_checked: tuple[str, ...] = (),
    ) -> Verdict:
        """Judge by the findings: an error makes the check invalid, a doubt unknown."""
        found = tuple(findings)
        severities = {finding.severity for finding in found}
        validity = Validity.VALID
        if Severity.ERROR in severities:
            validity = Validity.INVALID
        elif Severity.DOUBT in severities:
            validity = Validity.UNKNOWN
        return Verdict(check, validity, dict(counts), found, not_checked)

    @staticmethod
    def crashed(check: str, error: BaseException) -> Verdict:
        """Return the verdict of a check that raised: unknown, with the error as a finding."""
        finding = Finding(
            check,
            "check_crashed",
            Severity.DOUBT,
            evidence={"error": f"{type(error).__name__}: {error}"},
        )
        return Verdict(check, Validity.UNKNOWN, {}, (finding,))

    def kinds(self) -> dict[str, int]:
        """Return how often each kind was found, in order of name, those not kept included."""
        kinds: dict[str, int] = {}
        for finding in self.findings:
            if finding.kind == OMITTED:
                for kind, count in finding.evidence.items():
                    kinds[kind] = kinds.get(kind, 0) + count
            else:
                kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
        return dict(sorted(kinds.items()))

    def omitted(self, severity: Severity, kind: str) -> int:
        """Return how many findings of a kind were counted and not kept.

        A kind that was found with several severities says of each how many; else it is a notice.
        """
        several = len({one.severity for one in self.findings if one.kind == kind}) > 1
        left_out = (one for one in self.findings if one.kind == OMITTED)
        mine = (one for one in left_out if not several or one.severity is severity)
        return sum(one.evidence.get(kind, 0) for one in mine)

    def to_dict(self) -> CheckRow:
        """Return the verdict as a JSON object, findings counted by kind."""
        return {
            "check": self.check,
            "verdict": self.validity.value,
            "needs": self.needs,
            "counts": dict(self.counts),
            "findings": self.kinds(),
            "not_checked": list(self.not_checked),
        }


def worst(validities: Iterable[Validity]) -> Validity:
    """Merge answers: invalid before unknown before valid; unknown when there is none."""
    merged = max((_WORSE.index(validity) for validity in validities), default=1)
    return _WORSE[merged]
