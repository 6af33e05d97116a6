"""A service that is started with the server, on the server's clock where that is possible."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kline_harness.aggregators.program_guard import ProgramGuard
from kline_harness.errors import UsageError
from kline_harness.exchange.tls import AUTHORITY_FILE
from kline_harness.units import NS_PER_SECOND

# What clients in Python, and with OpenSSL, in requests and in Node, take an authority from.
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_PROBE = "import time; a = time.time_ns(); time.sleep({virtual}); print(a, time.time_ns())"
_PROBE_SECONDS = 0.3
_PROBE_LIMIT_SECONDS = 20.0
_ELF = b"\x7fELF"
_INTERPRETER = 3
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """How a service's clock is led: at so many virtual seconds a second from an instant on.

    Without a `speed` its clock is the machine's.
    """

    start_ns: int
    speed: int | None

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the words that start a command on this clock."""
        if self.speed is None:
            return list(words)
        return ["faketime", "-f", f"@{self.start_ns // NS_PER_SECOND} x{self.speed}", *words]

    def environment(self) -> dict[str, str]:
        """Return what the command's environment needs for it."""
        # Seconds since 1970: the same whatever the time zone is.
        return {} if self.speed is None else {"FAKETIME_FMT": "%s"}


def service_words(command: str, speed: int | None, rebased: bool) -> list[str]:
    """Return a service's command as words, if its clock can be made to follow.

    Raises UsageError, in plain words, where it cannot.
    """
    words = shlex.split(command)
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise UsageError(f"serve: --run: expected a program, found {command!r}")
    if speed is None:
        raise UsageError(
            "serve: --run: a service's clock cannot follow at full speed: expected --speed with a "
            "number"
        )
    if rebased:
        if speed != 1:
            raise UsageError("serve: --rebase with --run: the clock is now: expected --speed 1")
        return words
    if shutil.which("faketime") is None:
        raise UsageError(
            "serve: --run: the service's clock cannot follow: faketime is not installed; expected "
            "it, or --speed 1 --rebase"
        )
    if _is_static(Path(program)):
        raise UsageError(
            f"serve: --run: the clock of {words[0]} cannot follow: it is linked statically, and "
            "faketime cannot be loaded into it; expected --speed 1 --rebase"
        )
    return words


async def probe(clock: ServiceClock) -> str:
    """See with a program of our own that a clock follows; return what was seen.

    Raises UsageError where it does not.
    """
    if clock.speed is None:
        return "the service's clock is the machine's"
    virtual = _PROBE_SECONDS * clock.speed
    words = clock.command([sys.executable, "-c", _PROBE.format(virtual=virtual)])
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | clock.environment(),
    )
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(_PROBE_LIMIT_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UsageError("serve: --run: the clock does not follow: faketime hangs here") from None
    wall = asyncio.get_running_loop().time() - began
    words_out = out.decode().split()
    if len(words_out) != 2:
        raise UsageError("serve: --run: the clock does not follow: faketime does not work here")
    first, last = map(int, words_out)
    slept = (last - first) / NS_PER_SECOND
    late_ns = first - clock.start_ns
    follows = virtual <= slept <= virtual + wall * clock.speed
    if not follows or not -NS_PER_SECOND <= late_ns <= int(wall * clock.speed + 1) * NS_PER_SECOND:
        raise UsageError(
            f"serve: --run: the clock does not follow: a sleep of {virtual:g} s under faketime "
            f"lasted {slept:.3f} s on its own clock"
        )
    return f"the clock follows at x{clock.speed}: {slept * 1000 // 1:.0f} virtual ms were slept"


class Service:
    """A service's process: it and all that it has started ends with us, whatever happens to us."""

    def __init__(self, words: Sequence[str], clock: ServiceClock, port: int) -> None:
        self._words = words
        self._clock = clock
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._guard: ProgramGuard | None = None

    async def start(self, tls_folder: Path | None) -> None:
        """Start it; return at the instant at which its clock begins.

        Raises UsageError where it cannot be started.
        """
        scheme = "s" if tls_folder else ""
        self._guard = ProgramGuard(_GRACE_SECONDS)
        environment = self._guard.environment() | self._clock.environment()
        environment["KLINE_HARNESS_REST"] = f"http{scheme}://127.0.0.1:{self._port}"
        environment["KLINE_HARNESS_STREAM"] = f"ws{scheme}://127.0.0.1:{self._port}"
        if tls_folder is not None:
            environment |= dict.fromkeys(_TRUST, str(tls_folder / AUTHORITY_FILE))
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._clock.command(self._words),
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"serve: --run: {self._words[0]} cannot be started: {error.strerror}"
            ) from error
        self._guard.watch(self._process.pid)

    async def wait(self) -> int:
        """Wait until it ends, and return its exit code, as a shell has it."""
        assert self._process is not None
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def stop(self) -> None:
        """End it and everything that it has started: asked to first, killed if that takes long."""
        if self._guard is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._guard.end)
        if self._process is not None:
            await self._process.wait()


def _is_static(program: Path) -> bool:
    """Tell whether a program has no dynamic linker; a script's is that of its interpreter."""
    try:
        with program.open("rb") as file:
            head = file.read(64)
            if head[:2] == b"#!":
                line = (head + file.read(256))[2:].split(b"\n")[0].split()
                return bool(line) and _is_static(Path(os.fsdecode(line[0])))
            if head[:4] != _ELF or head[4] != 2:
                return False
            file.seek(int.from_bytes(head[32:40], "little"))
            size, count = (int.from_bytes(head[at : at + 2], "little") for at in (54, 56))
            kinds = [int.from_bytes(file.read(size)[:4], "little") for _ in range(count)]
    except OSError:
        return False
    return _INTERPRETER not in kinds
