"""The layers, the owners of heavy dependencies, and what no result may depend on: as data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "harness" / "kline_harness"

# Bottom up. Rooms of one level do not know each other, except along BESIDE.
LEVELS: tuple[tuple[str, ...], ...] = (
    (
        *("compiled", "contracts", "errors", "exit_codes", "junit", "nouns", "units", "interval"),
        *("run_rows", "whole_file"),
    ),
    (
        *("arrow", "background", "column_spool", "columns"),
        *("id_rule", "kline_rule", "quote_rule", "ranges", "toml_file"),
        *("verdict", "versions"),
    ),
    ("decimals", "tabular", "ledger", "arguments", "project_defaults", "finding_text"),
    ("tape", "kline"),
    ("pending_rows", "roll_up", "record_tables", "run_shape", "run_record", "trade_ids"),
    ("interfaces", "kept_klines"),
    (
        *("archives", "aggregators", "simulation", "faults", "storage", "checks"),
        *("comparison", "expectations"),
    ),
    ("report", "inspection", "klagg", "testing"),
    ("replay",),
    ("results", "terminal_console"),
    (
        "gate",
        "explore",
        "check_aggregator",
        "exchange",
        "live",
        "history",
        "terminal",
        "terminal_progress",
        "terminal_inspection",
        "api",
    ),
    ("campaign", "gate_command", "replay_command", "completion", "run_difference", "run_export"),
    ("cli", "pytest_plugin"),
    ("__main__",),
)
# The few arrows inside a level: the tables of level 0 and 1 are built on one another.
BESIDE = {
    ("exit_codes", "errors"),
    ("contracts", "errors"),
    ("units", "errors"),
    ("interval", "errors"),
    ("interval", "units"),
    ("faults", "simulation"),
    ("gate", "history"),
    # A watched replay's clock is the server's.
    ("live", "exchange"),
    # What a channel carried, a writer stored and the exchange has is what checks look at.
    ("checks", "comparison"),
    ("checks", "faults"),
    ("checks", "simulation"),
    ("checks", "storage"),
    ("record_tables", "run_shape"),
    ("run_record", "record_tables"),
    ("run_record", "run_shape"),
}
OWNERS = {
    "simpy": {"simulation"},
    "great_expectations": {"expectations"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "rich": {"terminal", "terminal_console", "terminal_progress", "terminal_inspection"},
    "pandas": {"expectations", "report", "comparison"},
    "isal": {"archives"},
    "urllib3": {"history"},
    "ctypes": {"compiled", "klagg", "storage"},
    "pytest": {"pytest_plugin"},
    "_pytest": {"pytest_plugin"},
    "aiohttp": {"exchange", "live"},
    "cryptography": {"exchange"},
    "dask": {"campaign"},
    "distributed": {"campaign"},
}
# Beside the libraries above, imported late by the room that owns them.
HEAVY = {"pyarrow.compute", "markupsafe"}
# Files that import rooms of ours late, each with its reason.
LATE = {
    "replay_command.py": "a verb imports what it runs: --help pays for none of it",
    "gate_command.py": "a verb imports what it runs: --help pays for none of it",
    "aggregators/loader.py": "only a run of a program pays for what its pipes need",
    "arguments.py": "only an option that is given pays for its numbers",
    "exit_codes.py": "a crash alone writes what it was to a file",
    "cli.py": "a verb imports what it runs: --help pays for none of it",
    "pytest_plugin.py": "pytest imports it in every project that has the package",
    "expectations/in_process.py": "a replay leaves the suite to its worker",
    "history/command.py": "each form of the verb imports what it runs",
    "exchange/command.py": "a verb imports what it runs: --help pays for none of it",
    "exchange/collect_command.py": "a verb imports what it runs: --help pays for none of it",
    "klagg/options.py": "most replays do without the model",
    "report/__init__.py": "a replay without a report needs nothing of the room",
}
# Nothing that differs from run to run may reach a result.
BANNED = {
    "time.time",
    "time.time_ns",
    "time.perf_counter",
    "time.monotonic",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "random.random",
    "random.randint",
    "random.choice",
    "random.shuffle",
    "np.random.rand",
    "np.random.seed",
    "uuid.uuid4",
    "uuid.uuid1",
    "os.urandom",
    "os.getpid",
}
# What is late, and a mark by which a program's processes are known: no result has them.
CLOCK_READERS = {
    *("history/pace.py", "replay/timings.py", "gate/machine_speed.py"),
    *("aggregators/subject_process.py", "aggregators/program_guard.py"),
    "aggregators/program_family.py",
    *("exchange/clock.py", "live/pace.py"),
}
FORBIDDEN_NAMES = {"utils", "common", "types", "constants", "config", "helpers", "misc"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def all_modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(room: str) -> int:
    return next(level for level, rooms in enumerate(LEVELS) if room in rooms)


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield (module, is inside a function); of ``from room import name`` the name as well."""
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            yield name, id(node) in inside


def file_of(module: str) -> str | None:
    """Return the file of a module of the package."""
    parts = module.split(".")[1:]
    if module.split(".")[0] != "kline_harness" or not parts:
        return None
    path = PACKAGE.joinpath(*parts)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return name_of(candidate)
    return None


def arrows() -> dict[str, set[str]]:
    """Return which files each file imports, late ones too."""
    found: dict[str, set[str]] = {}
    for path in all_modules():
        name = name_of(path)
        named = (file_of(module) for module, _ in imports(ast.parse(path.read_text())))
        targets = {target for target in named if target} - {name}
        # A room's front page lists its files: for one of them it is no step of its own.
        pages = {t for t in targets if t.endswith("__init__.py") and same_room(name, t)}
        found[name] = targets - pages
    return found


def same_room(first: str, second: str) -> bool:
    return first.split("/")[0] == second.split("/")[0]


def circle(found: dict[str, set[str]]) -> list[str]:
    """Return files that import one another in a circle, if any do."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for target in sorted(found.get(name, ())):
            if inner := visit(target, [*path, name]):
                return inner
        done.add(name)
        return []

    for name in sorted(found):
        if inner := visit(name, []):
            return inner
    return []


def test_no_files_import_one_another_in_a_circle() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    found = arrows()
    assert sum(map(len, found.values())) > 800
    assert circle(found) == []


def test_every_room_is_listed_and_every_listed_room_is_there() -> None:
    listed = [room for level in LEVELS for room in level]
    assert sorted(listed) == sorted({room_of(path) for path in all_modules()} - {"__init__"})
    assert {room for rooms in OWNERS.values() for room in rooms} <= set(listed)
    assert {room for pair in BESIDE for room in pair} <= set(listed)
    assert set(LATE) <= {name_of(path) for path in all_modules()}


def test_the_page_has_the_levels() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, flags=re.MULTILINE)
    told = {int(level): set(re.findall(r"`(\w+)`", rooms)) for level, rooms in rows}
    assert told == {level: set(rooms) for level, rooms in enumerate(LEVELS)}


def test_no_two_public_classes_have_one_name() -> None:
    files: dict[str, list[str]] = {}
    for path in all_modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files.setdefault(node.name, []).append(name_of(path))
    assert [name for name, paths in files.items() if len(paths) > 1] == []


def test_modules_are_named_for_things() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    names = [name_of(path) for path in modules()]
    doing = {name for name in names if name.removesuffix(".py").endswith("ing")}
    # `testing` is the field's name for kits.
    assert doing | {room for room in rooms if room.endswith("ing")} == {"testing"}


@pytest.mark.parametrize("path", all_modules(), ids=name_of)
def test_a_module_keeps_to_its_room(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    room = room_of(path)
    for name, late in imports(ast.parse(source)):
        top, *rest = name.split(".")
        if top == "kline_harness" and rest and file_of(name) and room != "__init__":
            other = rest[0]
            below = level_of(other) < level_of(room)
            assert other == room or below or (room, other) in BESIDE, f"{room} imports {other}"
        if top in OWNERS:
            assert room in OWNERS[top], f"{room} imports {top}"
        heavy = top in OWNERS or name in HEAVY or name.rpartition(".")[0] in HEAVY
        assert not late or heavy or name_of(path) in LATE, f"import of {name} inside a function"
    assert "TYPE_CHECKING" not in source
    assert path.stem not in FORBIDDEN_NAMES


def test_no_room_knows_klagg_but_its_own() -> None:
    """It is loaded as anybody's subject is; a wrong name lists it because it is registered."""
    others = [path for path in all_modules() if room_of(path) != "klagg"]
    assert len(others) > 300
    found = [name_of(path) for path in others if "klagg" in path.read_text().lower()]
    assert found == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_differs_from_run_to_run(path: Path) -> None:
    if name_of(path) in CLOCK_READERS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            assert not any(name == banned or name.endswith("." + banned) for banned in BANNED), name


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


def test_files_are_small_on_the_whole() -> None:
    assert median(path.read_text().count("\n") for path in modules()) <= 180


def test_every_module_has_a_docstring() -> None:
    """Public names: tests/test_docstrings.py."""
    trees = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    bare = [name for name, tree in trees.items() if not ast.get_docstring(tree)]
    assert bare == []


def test_the_project_names_no_host_and_no_machine() -> None:
    pattern = re.compile(r"/root/|/work/|/home/\w|pypi\.org|files\.pythonhosted|index-url")
    named = [
        str(path)
        for folder in ("harness", "scripts", "docs", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix not in {".png", ".pyc", ".gz", ".zip", ".so"}
        and pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert named == []
