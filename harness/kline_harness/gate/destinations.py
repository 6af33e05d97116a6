"""Where a result goes: files, the job's summary page, the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kline_harness.errors import writing
from kline_harness.gate.ci_annotations import to_github, to_gitlab
from kline_harness.gate.junit import to_junit
from kline_harness.gate.output import to_json, to_markdown, to_text
from kline_harness.gate.results import GateResult

# The name that GitLab's documentation gives to the artifact.
GITLAB_REPORT = Path("gl-code-quality-report.json")


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was asked for; `step_summary` is the file that GitHub shows on the job's page."""

    junit: Path | None = None
    json: Path | None = None
    markdown: Path | None = None
    annotations: str | None = None
    step_summary: str | None = None


def deliver(result: GateResult, outputs: Outputs) -> str:
    """Write the files asked for and return what the terminal shows.

    Raises OutputError for a file that cannot be written.
    """
    if outputs.junit is not None:
        _write(outputs.junit, to_junit(result))
    if outputs.json is not None:
        _write(outputs.json, to_json(result))
    if outputs.markdown is not None:
        _write(outputs.markdown, to_markdown(result))
    if outputs.step_summary is not None:
        _write(Path(outputs.step_summary), to_markdown(result), append=True)
    if outputs.annotations == "gitlab":
        _write(GITLAB_REPORT, to_gitlab(result))
    commands = to_github(result) if outputs.annotations == "github" else ""
    return to_text(result) + commands + ratios(result)


def ratios(result: GateResult) -> str:
    """Say how long the cases took: the one line that differs from run to run."""
    shown = [f"{case.case.name} {case.ratio:.1f}" for case in result.cases if case.ratio]
    return f"wall time in yardsticks: {', '.join(shown)}\n" if shown else ""


def _write(path: Path, text: str, *, append: bool = False) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
