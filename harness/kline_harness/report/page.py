"""The report: one self-contained file, and evidence pages beside it for what does not fit."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from kline_harness.errors import writing
from kline_harness.ledger import law_name
from kline_harness.report.candle_rows import MARK_BYTES, MARKS, candle_block, candle_series
from kline_harness.report.candles import candle_scripts, stylesheet
from kline_harness.report.coverage import span_ns
from kline_harness.report.data import ReportData, read_run
from kline_harness.report.evidence import (
    Chunk,
    cut,
    encode_differences,
    encode_findings,
    encode_inputs,
    encode_ledger,
    pages_beside,
)
from kline_harness.report.format import (
    duration,
    flatten,
    label,
    measured,
    number,
    plain,
    readable,
    size,
    utc,
    words,
)
from kline_harness.report.glossary import TERMS, cause_sentence, check_sentence
from kline_harness.report.links import links_of
from kline_harness.report.moments import moment_block
from kline_harness.report.overview import (
    contradictions,
    failures,
    patterns,
    tested,
    uncompared,
    worst_findings,
    worst_first,
)
from kline_harness.report.picture_files import FOLDER, picture_file
from kline_harness.report.pictures import Pictures, can_draw, draw_pictures
from kline_harness.report.summary import Summary, summarise
from kline_harness.report.symbol_map import encode_series
from kline_harness.whole_file import write_whole

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = {
    "number": number,
    "utc": utc,
    "duration": duration,
    "size": size,
    "words": words,
    "label": label,
    "measured": measured,
    "flatten": flatten,
    "plain": plain,
    "readable": partial(readable, ""),
    "law_name": law_name,
    "does": check_sentence,
    "meaning": lambda term: TERMS.get(term, ""),
    "told": cause_sentence,
}
# A section's anchor names its template; the order is that of an auditor's questions.
SECTIONS = (
    ("wrong", "What is wrong"),
    ("differences", "Differences"),
    ("comparison", "Against the exchange"),
    ("candles", "Candlesticks"),
    ("checks", "Checks"),
    ("ledger", "Ledger"),
    ("lifecycle", "Lifecycle"),
    ("timeline", "Timeline"),
    ("lateness", "How late each final was"),
    ("faults", "Faults and their detection"),
    ("findings", "Findings"),
    ("expectations", "Expectations"),
    ("replayed", "What was replayed"),
    ("files", "Files"),
    ("glossary", "Glossary"),
)
# A report stays below 1.5 MB for a day of two symbols, so differences get what the rest leaves:
# pictures, findings, and tables whose rows take at most so many bytes.
_PAGE_BUDGET = 1_330_000
_LEAST_BUDGET = 130_000
_FINDINGS_BUDGET = 110_000
_SERIES_BUDGET = _LEDGER_BUDGET = _INPUTS_BUDGET = 60_000


def build_report(run_dir: Path) -> Path:
    """Build report.html, its pictures as files, and evidence pages, from a run folder alone.

    The same folder gives the same bytes.

    Raises InputError for a folder that holds no run; OutputError when a page cannot be written.
    """
    data = read_run(run_dir)
    data = replace(data, findings=worst_findings(data.findings))
    summary = summarise(data)
    pictures = draw_pictures(data, summary.symbols)
    chunks = {
        "findings": cut("findings", encode_findings(data.findings), _FINDINGS_BUDGET),
        "series": cut("series", encode_series(summary.series, data.differences), _SERIES_BUDGET),
        "ledger": cut("ledger", encode_ledger(data.ledger), _LEDGER_BUDGET),
        "inputs": cut("inputs", encode_inputs(data.run.inputs), _INPUTS_BUDGET),
    }
    candles = candle_series(run_dir / "klines", pictures.symbols, data.differences, data.run)
    moments = moment_block(data, span_ns(data))
    used = pictures.size + sum(found[0].size for found in chunks.values())
    used += sum(map(len, (*candle_scripts(), candle_block(candles, (), 0), moments or "")))
    used += min(MARKS, len(data.differences)) * MARK_BYTES
    room = max(_LEAST_BUDGET, _PAGE_BUDGET - used)
    chunks["differences"] = cut("differences", encode_differences(data.differences), room)
    last = chunks["differences"][0].last
    beyond = candle_block(candles, data.differences[last:], last + 1) if candles else None
    extra = {"candles": beyond, "moments": moments}
    pages = {"report.html": _report(data, summary, pictures, chunks, extra)}
    for found in chunks.values():
        for name, chunk in pages_beside(found):
            pages[name] = _evidence_page(data, summary, chunk, found[-1].last)
    pages |= {one.file: picture_file(one.svg) for one in pictures.all()}
    _write(run_dir, pages)
    return run_dir / "report.html"


def _report(
    data: ReportData,
    summary: Summary,
    pictures: Pictures,
    chunks: Mapping[str, Sequence[Chunk]],
    extra: Mapping[str, str | None],
) -> str:
    run = data.run
    wrong = failures(run.checks, data.findings)
    absent = {"faults": not run.faults, "wrong": not wrong}
    if not run.channels:
        # Nothing was replayed: klines of files, or of a service's store, were judged.
        absent |= {"lifecycle": True, "timeline": True, "lateness": True}
        absent |= {"ledger": not run.ledger, "expectations": data.expectations is None}
    sections = {anchor: text for anchor, text in SECTIONS if not absent.get(anchor)}
    return render(
        "report.html.j2",
        run=run,
        data=data,
        sections=list(sections.items()),
        summary=summary,
        pictures=pictures,
        can_draw=can_draw(),
        tested=tested(run, summary.symbols),
        wrong=wrong,
        links=links_of(data.differences, data.findings, data.ledger, chunks, sections),
        checks=worst_first(run.checks),
        uncompared=uncompared(run),
        patterns=patterns(data.differences),
        contradictions=contradictions(data.findings),
        terms=TERMS,
        scripts=_SCRIPTS if extra["candles"] else _SCRIPTS[1:],
        blocks={kind: one[0].block(one[-1].last) for kind, one in chunks.items()} | {**extra},
        shown={kind: found[0] for kind, found in chunks.items()},
        beside={kind: list(pages_beside(found)) for kind, found in chunks.items()},
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
    if can_draw():
        import matplotlib.backends.backend_svg
        import matplotlib.figure  # noqa: F401

    environment = _environment()
    for name in environment.list_templates(extensions=("j2",)):
        environment.get_template(name)


# What a page with candles runs, in order; one without them begins at its own scripts.
_SCRIPTS = ("candles", "moments.js", "report.js")


def render(template: str, scripts: Sequence[str] = ("report.js",), **context: Any) -> str:
    """Fill a template; every name is escaped, style and scripts stand inside the page."""
    from markupsafe import Markup

    style = stylesheet()
    texts: list[str] = []
    for name in scripts:
        own = name.endswith(".js")
        texts += [(_TEMPLATES / name).read_text("utf-8")] if own else candle_scripts()
    filled = {"style": Markup(style), "scripts": list(map(Markup, texts))}
    policy = _policy(style, texts)
    return str(_environment().get_template(template).render(**filled, policy=policy, **context))


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


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Return a content security policy that allows this style and these scripts, nothing else."""
    allowed = " ".join(map(_digest, scripts))
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _write(run_dir: Path, pages: Mapping[str, str]) -> None:
    """Write each file whole or not at all, and remove those of an older build."""
    kinds = "differences", "findings", "series", "ledger", "inputs"
    with writing(run_dir):
        (run_dir / FOLDER).mkdir(exist_ok=True)
        for pattern in (*(f"report-{kind}-*.html" for kind in kinds), f"{FOLDER}/*.svg"):
            for old in run_dir.glob(pattern):
                if old.relative_to(run_dir).as_posix() not in pages:
                    old.unlink()
        for name, text in pages.items():
            write_whole(run_dir / name, text)
