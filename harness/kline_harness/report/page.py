"""The report: one self-contained file, and evidence pages beside it for what does not fit."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from kline_harness.errors import OutputError
from kline_harness.report.data import ReportData, read_run
from kline_harness.report.evidence import (
    Chunk,
    cut,
    encode_differences,
    encode_findings,
    pages_beside,
)
from kline_harness.report.format import (
    duration,
    flatten,
    label,
    number,
    plain,
    readable,
    size,
    utc,
    words,
)
from kline_harness.report.pictures import Pictures, draw_pictures
from kline_harness.report.summary import Summary, summarise

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = {
    "number": number,
    "utc": utc,
    "duration": duration,
    "size": size,
    "words": words,
    "label": label,
    "flatten": flatten,
    "plain": plain,
    "readable": partial(readable, ""),
}
# A section's anchor names its template; the order is that of an auditor's questions.
SECTIONS = (
    ("checks", "Checks"),
    ("replayed", "What was replayed"),
    ("comparison", "Against the exchange"),
    ("candles", "Candlesticks"),
    ("differences", "Differences"),
    ("ledger", "Ledger"),
    ("lifecycle", "Lifecycle"),
    ("timeline", "Timeline"),
    ("lateness", "How late each final was"),
    ("faults", "Faults and their detection"),
    ("findings", "Findings"),
    ("expectations", "Expectations"),
    ("files", "Files"),
)
# A report stays below 1.5 MB for a day of two symbols, so differences get what the rest leaves:
# pictures, findings, and tables whose rows take at most so many bytes.
_PAGE_BUDGET = 1_300_000
_LEAST_BUDGET = 150_000
_FINDINGS_BUDGET = 150_000
_ROW_BYTES = 700


def build_report(run_dir: Path) -> Path:
    """Build report.html, and evidence pages where it is not enough, from a run folder alone.

    The same folder gives the same bytes.

    Raises InputError for a folder that holds no run; OutputError when a page cannot be written.
    """
    data = read_run(run_dir)
    summary = summarise(data)
    pictures = draw_pictures(data, summary.symbols)
    findings = cut("findings", encode_findings(data.findings), _FINDINGS_BUDGET)
    room = _room(data, pictures) - findings[0].size
    differences = cut("differences", encode_differences(data.differences), room)
    pages = {"report.html": _report(data, summary, pictures, differences, findings)}
    for chunks, total in ((differences, len(data.differences)), (findings, len(data.findings))):
        for name, chunk in pages_beside(chunks):
            pages[name] = _evidence_page(data, summary, chunk, total)
    _write(run_dir, pages)
    return run_dir / "report.html"


def _room(data: ReportData, pictures: Pictures) -> int:
    """Return how many bytes of differences the report has room for beside all else."""
    series = data.run["comparison"]["series"] if data.run["comparison"] else []
    rows = len(data.run["ledger"]) + 2 * len(series) + len(data.run["inputs"])
    return max(_LEAST_BUDGET, _PAGE_BUDGET - pictures.size - rows * _ROW_BYTES)


def _report(
    data: ReportData,
    summary: Summary,
    pictures: Pictures,
    differences: Sequence[Chunk],
    findings: Sequence[Chunk],
) -> str:
    faults = bool(data.run["faults"])
    return render(
        "report.html.j2",
        run=data.run,
        data=data,
        sections=[(anchor, text) for anchor, text in SECTIONS if anchor != "faults" or faults],
        summary=summary,
        pictures=pictures,
        blocks={
            "differences": differences[0].block(len(data.differences)),
            "findings": findings[0].block(len(data.findings)),
        },
        shown={"differences": differences[0], "findings": findings[0]},
        beside={
            "differences": list(pages_beside(differences)),
            "findings": list(pages_beside(findings)),
        },
    )


def _evidence_page(data: ReportData, summary: Summary, chunk: Chunk, total: int) -> str:
    return render(
        "evidence.html.j2",
        run=data.run,
        summary=summary,
        chunk=chunk,
        total=total,
        blocks={chunk.kind: chunk.block(total)},
    )


def prepare() -> None:
    """Do what every page needs whatever is on it: import what draws, compile the templates."""
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401

    environment = _environment()
    for name in environment.list_templates(extensions=("j2",)):
        environment.get_template(name)


def render(template: str, **context: Any) -> str:
    """Fill a template; every name is escaped, style and script stand inside the page."""
    from markupsafe import Markup

    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
    return str(
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            **context,
        )
    )


@cache
def _environment() -> Any:
    # Late: importing the report must stay cheap for commands that do not build one.
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS, inline=Markup)
    return environment


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows this style and this script, nothing else."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _write(run_dir: Path, pages: Mapping[str, str]) -> None:
    """Write the pages, each whole or not at all, and remove evidence pages of an older build."""
    try:
        for kind in ("differences", "findings"):
            for old in run_dir.glob(f"report-{kind}-*.html"):
                if old.name not in pages:
                    old.unlink()
        for name, text in pages.items():
            write_whole(run_dir / name, text)
    except OSError as error:
        raise OutputError(f"{run_dir}: the report cannot be written: {error}") from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that readers see the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    # A name may hold half of a surrogate pair, which UTF-8 cannot say.
    temporary.write_bytes(text.encode("utf-8", "replace"))
    os.replace(temporary, path)
