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
    ("errors", "exit_codes", "units", "interval"),
    ("arrow", "columns", "compiled", "kline_rule", "verdict"),
    ("decimals", "tabular", "ledger", "finding_text"),
    ("tape", "kline"),
    ("pending",),
    ("interfaces",),
    (
        *("archives", "aggregators", "simulation", "faults", "storage", "checks"),
        *("comparison", "expectations"),
    ),
    ("report", "inspection", "klagg", "testing"),
    ("replay",),
    ("results",),
    ("gate", "explore", "campaign", "history", "server", "terminal", "terminal_inspection", "api"),
    ("cli", "pytest_plugin"),
    ("__main__",),
)
# The few arrows inside a level: the tables of level 0 and 1 are built on one another.
BESIDE = {
    ("exit_codes", "errors"),
    ("units", "errors"),
    ("interval", "errors"),
    ("interval", "units"),
    ("faults", "simulation"),
    ("gate", "history"),
    # What a channel carried and a writer stored is what the checks of them look at.
    ("checks", "simulation"),
    ("checks", "storage"),
}
OWNERS = {
    "simpy": {"simulation"},
    "great_expectations": {"expectations"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "dask": {"campaign"},
    "rich": {"terminal", "terminal_inspection"},
    "pandas": {"expectations", "report", "comparison"},
    "isal": {"archives"},
    "urllib3": {"history"},
    "ctypes": {"compiled", "storage"},
    "pytest": {"pytest_plugin"},
    "_pytest": {"pytest_plugin"},
}
# Late imports: the one room that owns a heavy library, the command that picks a verb, and what
# most replays do without (faults, the model of klagg, other exchanges' files).
LATE = {"expectations", "report", "terminal", "cli", "pytest_plugin", "gate"}
LATE |= {"history", "replay", "klagg", "archives"}
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
CLOCK_READERS = {"history/pace.py", "replay/timings.py", "gate/yardstick.py"}
FORBIDDEN_NAMES = {"utils", "common", "types", "constants", "config", "helpers", "misc"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(room: str) -> int:
    return next(level for level, rooms in enumerate(LEVELS) if room in rooms)


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield (module, is inside a function)."""
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
            names = [node.module]
        for name in names:
            yield name, id(node) in inside


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_keeps_to_its_room(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    room = room_of(path)
    for name, late in imports(tree):
        top, *rest = name.split(".")
        if top == "kline_harness" and rest:
            other = rest[0]
            below = level_of(other) < level_of(room)
            assert other == room or below or (room, other) in BESIDE, f"{room} imports {other}"
        if top in OWNERS:
            assert room in OWNERS[top], f"{room} imports {top}"
        assert not late or room in LATE, f"import of {name} inside a function"
        assert name != "typing.TYPE_CHECKING"
    assert "TYPE_CHECKING" not in source
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_differs_from_run_to_run(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in CLOCK_READERS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            assert not any(name == banned or name.endswith("." + banned) for banned in BANNED), name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            if room_of(path) != "cli":  # a verb's signature is its list of options
                assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


def test_files_are_small_on_the_whole() -> None:
    assert median(path.read_text().count("\n") for path in modules()) <= 180


def test_every_module_and_public_name_has_a_docstring() -> None:
    missing = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not ast.get_docstring(tree):
            missing.append(str(path))
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            if not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{path}:{node.name}")
    assert missing == []


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
