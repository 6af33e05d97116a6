"""A run folder: made under a name of its own and put in its place whole, or not at all.

Source of the rules: rename(2) and flock(2) of Linux.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kline_harness.errors import OutputError, unwritable, writing
from kline_harness.exit_codes import TERMINATING, raise_what_came
from kline_harness.run_record import RECORD_FILE, RunRecord
from kline_harness.storage.exchange import exchange
from kline_harness.whole_file import write_json

# What only a write can meet.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_TRIES = 100
_ENDING = (signal.SIGINT, *TERMINATING)


@contextmanager
def run_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` when the block ends without an error.

    An earlier run folder there stays whole until the new one takes its place; anything else
    there is left alone. A symbolic link stays one: what it points to is replaced. What runs
    that were killed left under names of their own is removed.

    Raises OutputError when the place is taken, cannot be written, or another run writes there.
    """
    try:
        place = target.resolve()
        place.as_posix().encode()
        made = [folder for folder in place.parents if not folder.exists()]
    except UnicodeEncodeError as error:
        # Arrow takes no other path.
        raise OutputError(f"{target}: expected a path in UTF-8, found another encoding") from error
    except (OSError, RuntimeError) as error:
        raise unwritable(target, error) from error
    try:
        with _locked(target, place):
            yield from _replaced(target, place)
    except BaseException:
        with _uninterrupted(), suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def _replaced(target: Path, place: Path) -> Iterator[Path]:
    """Yield the folder that is to take a locked place, and put it there."""
    old = place.with_name(f".{place.name}.old")
    partial = place.with_name(f".{place.name}.{secrets.token_hex(4)}.partial")
    try:
        with writing(target):
            _clear_leftovers(place, old)
            _refuse_what_is_no_run(target, place)
            partial.mkdir()
        yield partial
        raise_what_came()
        with writing(target), _uninterrupted():
            _move_into_place(partial, place, old)
    except OutputError as error:
        # Nobody knows the folder by the name that it has until it is whole.
        raise OutputError(str(error).replace(str(partial), str(target))) from error
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise unwritable(target, error) from error
        raise
    finally:
        with _uninterrupted():
            # After a success it holds the earlier run.
            shutil.rmtree(partial, ignore_errors=True)


def _refuse_what_is_no_run(target: Path, place: Path) -> None:
    if place.exists() and not (place / RECORD_FILE).is_file():
        is_free = place.is_dir() and not any(place.iterdir())
        if not is_free:
            raise OutputError(f"{target}: expected a run folder or nothing, found something else")


def _clear_leftovers(place: Path, old: Path) -> None:
    """Remove what killed runs left; the lock is held, so none of it is in use."""
    if old.exists() and not place.exists():
        # A run was killed between the two renames of a system that cannot exchange.
        old.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    temporary = re.compile(rf"\.{re.escape(place.name)}\.([0-9a-f]{{8}}\.)?partial")
    for entry in os.scandir(place.parent):
        if temporary.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)


def _move_into_place(partial: Path, place: Path, old: Path) -> None:
    """Put a finished folder in its place; `partial` is then gone or holds the earlier one.

    Where the system cannot exchange two names, the earlier folder goes to `old` first; a run
    that is killed before the second rename leaves it there for the next one to put back.
    """
    if not place.exists():
        partial.rename(place)
    elif not exchange(partial, place):
        place.rename(old)
        try:
            partial.rename(place)
        except OSError:
            old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
    handle = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(target: Path, place: Path) -> Iterator[None]:
    """Hold the place against other runs; a lock ends with its process, however that ends."""
    path = place.with_name(f".{place.name}.lock") if place.name else place
    try:
        handle = _lock(path)
    except BlockingIOError as error:
        raise OutputError(f"{target}: another run is writing there, expected none") from error
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        yield
    finally:
        with _uninterrupted():
            path.unlink(missing_ok=True)
            os.close(handle)


def _lock(path: Path) -> int:
    tries = 0
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:
            # A failed run removed the folder that it had made; or, as in /proc, none can be made.
            tries += 1
            if tries > _TRIES:
                raise
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock may have removed its file since it was opened here.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a signal that would end the process wait until the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record of a run: `run.json`, and the tables beside it that it has the sums of."""
    record.write_tables(folder)
    write_json(folder / RECORD_FILE, record.to_dict())


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON objects one a line."""
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for content in objects:
            file.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
