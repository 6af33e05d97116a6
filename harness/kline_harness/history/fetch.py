"""One fetch: what is listed, what is there already, downloads with proof, records."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from kline_harness.history.catalogue import Catalogue, Record, move_in
from kline_harness.history.entries import NEVER, NOT_YET, WITHDRAWN, Entry, Listing, read_listing
from kline_harness.history.layouts import ARCHIVES
from kline_harness.history.months import MonthResult, compare_months
from kline_harness.history.pace import now_text
from kline_harness.history.proof import ArchiveProof, judge, read_content, sha256_of
from kline_harness.history.rows import RowChanges, compare_or_say
from kline_harness.history.selection import Item
from kline_harness.history.transfer import Fetched, read_state, write_state
from kline_harness.history.transport import (
    Client,
    Failed,
    RefusedDownload,
    Settings,
)
from kline_harness.nouns import counted

FAILED, NOT_ASKED = "failed", "not asked"
_INVALID = {
    WITHDRAWN,
    ArchiveProof.DAMAGED.value,
    ArchiveProof.CHECKSUM_WRONG.value,
    ArchiveProof.UNPROVEN.value,
    ArchiveProof.MISNAMED.value,
}
# What --accept-unproven takes.
ACCEPTABLE = _INVALID - {WITHDRAWN, ArchiveProof.DAMAGED.value}
_UNKNOWN = {NOT_YET, NEVER, FAILED, NOT_ASKED}


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file.

    `state` is a proof, why it is not there, or that it failed; `bytes_received` what this fetch
    took from the network; `revision` the rows that differ from the version before, or why they
    cannot be compared.
    """

    item: Item
    state: str
    detail: str = ""
    bytes_received: int = 0
    record: Record | None = None
    revision: RowChanges | str | None = None

    def __str__(self) -> str:
        accepted = self.record is not None and self.record.accepted
        state = f"{self.state} (accepted)" if accepted and self.state in _INVALID else self.state
        parts = [f"{self.item.name}: {state}"]
        if self.record is not None:
            parts.append(f"{counted(self.record.size, 'byte')}, sha256 {self.record.sha256}")
        if self.revision is not None and self.record is not None:
            parts.append(f"revised, supersedes {self.record.supersedes}: {self.revision}")
        parts += [self.detail] if self.detail else []
        if self.state in ACCEPTABLE and not accepted:
            parts.append("kept, and not replayed: --accept-unproven takes it")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What became of every file asked for, in the order asked."""

    files: tuple[FileResult, ...]
    months: tuple[MonthResult, ...] = ()
    requests: int = 0

    @property
    def exit_code(self) -> int:
        """0 every file is proved or accepted, 1 one is wrong or unproven, 3 one is not there."""
        states = {
            one.state for one in self.files if not (one.record is not None and one.record.usable)
        }
        if states & _INVALID or any(month.changes for month in self.months):
            return 1
        return 3 if states & _UNKNOWN else 0


def fetch(
    catalogue: Catalogue,
    items: Sequence[Item],
    settings: Settings,
    *,
    refresh: bool = False,
    accept: bool = False,
    progress: Callable[[FileResult], None] | None = None,
    received: Callable[[int], None] | None = None,
    waiting: Callable[[str], None] | None = None,
) -> FetchResult:
    """Bring files into the catalogue; those that are there are asked for only with `refresh`.

    `accept` takes files that nothing proves for good. `progress` is called with each file when it
    is done, `received` with numbers of bytes as they come, from several threads, `waiting` with a
    sentence where another fetch holds the catalogue. What goes wrong with one file is part of the
    result, and the others go on.

    Raises OutputError when the catalogue's folder cannot be written.
    """
    with catalogue.locked(waiting):
        client = Client(settings, received)
        job = _Fetch(catalogue, client, refresh, accept)
        try:
            listings = list_series(client, items)
            done = []
            for one in _side_by_side(job, items, listings):
                done.append(one)
                if progress is not None:
                    progress(one)
        finally:
            client.close()
        months = compare_months(catalogue, catalogue.latest(), {item.url for item in items})
        return FetchResult(tuple(done), tuple(months), client.requests)


def _side_by_side(
    job: _Fetch, items: Sequence[Item], listings: dict[str, Listing | str]
) -> Iterator[FileResult]:
    with ThreadPoolExecutor(job.client.settings.connections) as pool:
        try:
            yield from pool.map(lambda item: job.one(item, listings[series_of(item)]), items)
        except BaseException:
            # Who presses Ctrl-C does not wait for what is on its way: it is resumed another time.
            job.client.abort("the fetch was ended")
            raise


def list_series(client: Client, items: Sequence[Item]) -> dict[str, Listing | str]:
    """Return the listing of each folder, or why there is none."""
    folders: dict[str, list[Item]] = {}
    for item in items:
        folders.setdefault(series_of(item), []).append(item)
    found: dict[str, Listing | str] = {}
    for folder, wanted in folders.items():
        try:
            found[folder] = read_listing(client, wanted)
        except (Failed, RefusedDownload) as error:
            found[folder] = str(error)
    return found


def series_of(item: Item) -> str:
    """Return the key of a file's folder among the listings."""
    return f"{item.market} {item.path.rpartition('/')[0]}"


@dataclass(slots=True)
class _Fetch:
    catalogue: Catalogue
    client: Client
    refresh: bool
    accept: bool
    _latest: dict[str, Record] = field(init=False)
    _writing: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._latest = self.catalogue.latest()

    def one(self, item: Item, listing: Listing | str) -> FileResult:
        """Bring one file in, whatever happens on the way."""
        try:
            return self._one(item, listing)
        except RefusedDownload as error:
            return FileResult(item, NOT_ASKED, str(error))
        except Failed as error:
            reason = f"; without a listing nobody says why: {listing}"
            hint = reason if isinstance(listing, str) and error.status == 404 else ""
            return FileResult(item, FAILED, f"{error}{hint}")
        except OSError as error:
            reason = f"{error.filename or self.catalogue.home}: {error.strerror or error}"
            self.client.stop(f"the disk did not take a file: {reason}")
            return FileResult(item, FAILED, f"the disk did not take it: {reason}")

    def _one(self, item: Item, listing: Listing | str) -> FileResult:
        known = self._latest.get(item.url)
        if known is not None and not self._is_there(known):
            known = None
        if known is not None and read_state(self._part(item)).get("sha256") == known.sha256:
            # A run was killed between its record and its last clearing up.
            self._forget(self._part(item))
        entry = Entry()
        if isinstance(listing, Listing):
            if item.path not in listing.entries:
                state, detail = listing.why_absent(item, item.url in self._latest)
                return FileResult(item, state, detail)
            entry = listing.entries[item.path]
        if known is None:
            return self._bring(item, entry, None)
        revised = bool(entry.etag) and _plain(entry.etag) != _plain(known.etag)
        if known.damaged and (revised or self.refresh):
            return self._bring(item, entry, None)
        if self.refresh and (revised or (not entry.etag and self._moved(item, known))):
            return self._bring(item, entry, known)
        result = self._prove_again(item, known)
        if revised and not self.refresh:
            return replace(result, detail="the archive has another version: fetch --refresh")
        return result

    def _is_there(self, known: Record) -> bool:
        """Tell whether a file is as recorded; its bytes are read where a refresh was asked for."""
        path = self.catalogue.path(known)
        if not path.is_file():
            return False
        same_size = path.stat().st_size == known.size
        if same_size and not self.refresh:
            return True
        sha256 = sha256_of(path)
        if sha256 == known.sha256:
            return True
        # Damaged where it lay: kept to be looked at, as what comes damaged.
        move_in(path, self.catalogue.quarantine / sha256 / path.name)
        return False

    def _as_listed(self, fetched: Fetched, entry: Entry) -> Fetched:
        """Return what is known of a file under the ETag that the next listing is held to."""
        return replace(fetched, etag=entry.etag or fetched.etag)

    def _moved(self, item: Item, known: Record) -> bool:
        """Tell whether the server's headers are another version's, where no listing says so."""
        headers = {name.lower(): value for name, value in self.client.head(self._url(item)).items()}
        if known.etag or headers.get("etag"):
            return _plain(headers.get("etag", "")) != _plain(known.etag)
        stated = (headers.get("last-modified", ""), headers.get("content-length", ""))
        return stated != (known.last_modified, str(known.size)) or not known.last_modified

    def _prove_again(self, item: Item, known: Record) -> FileResult:
        """Return a file that is there; what was not proved may be by now."""
        now = replace(known, last_seen=now_text())
        if known.proof == ArchiveProof.MISNAMED.value:
            now = replace(now, accepted=known.accepted or self.accept)
        elif not known.damaged and known.proof != ArchiveProof.PROVED.value:
            proof, detail = self._judge(item, known.sha256)
            accepted = proof.value in ACCEPTABLE and (known.accepted or self.accept)
            now = replace(now, proof=proof.value, detail=detail, accepted=accepted)
        changed = replace(now, last_seen=known.last_seen) != known
        if changed or self.refresh:
            self._record(now)
        return FileResult(item, now.proof, now.detail, record=now)

    def _bring(self, item: Item, entry: Entry, known: Record | None) -> FileResult:
        part = self._part(item)
        state = read_state(part)
        if entry.etag and state.get("etag") and _plain(state["etag"]) != _plain(entry.etag):
            part.unlink(missing_ok=True)
        packing = ARCHIVES[item.market].packing
        received, note = 0, ""
        for attempt in (1, 2):
            fetched = self._finished(part) or self.client.download(self._url(item), part)
            received += fetched.bytes_received
            where = part if part.exists() else self._object(item, read_state(part)["sha256"])
            content = read_content(where, item.name, packing)
            if not content.damage:
                break
            # Kept to be looked at; the second copy tells the source's fault from the way's.
            move_in(part, self.catalogue.quarantine / content.sha256 / item.name)
            note = f"a damaged copy is in quarantine/{content.sha256}: {content.damage}"
            if attempt == 2:
                length = entry.size if content.foreign else entry.size or fetched.length
                if fetched.size != length:
                    # Not at full length, or nothing says what that is: the source is not judged.
                    self._forget(part)
                    listed = "a stated length" if length is None else counted(length, "byte")
                    found = f"expected {listed}, found {counted(fetched.size, 'byte')}; {note}"
                    return FileResult(item, FAILED, found, received)
                fetched = self._as_listed(fetched, entry)
                made = self._make(item, fetched, content.sha256, ArchiveProof.DAMAGED, note, known)
                return self._done(item, part, made, received, None)
        proof, detail = self._judge(item, content.sha256)
        if content.misnamed:
            detail = "; ".join(text for text in (content.misnamed, detail) if text)
            proof = ArchiveProof.MISNAMED
        detail = "; ".join(text for text in (detail, note) if text)
        fetched = self._as_listed(fetched, entry)
        made = self._make(item, fetched, content.sha256, proof, detail, known)
        if part.exists():
            write_state(part, read_state(part) | {"sha256": content.sha256})
            move_in(part, self._object(item, content.sha256))
        return self._done(item, part, made, received, known)

    def _done(
        self, item: Item, part: Path, made: Record, received: int, known: Record | None
    ) -> FileResult:
        self._record(made)
        self._forget(part)
        revision = None
        if known is not None and made.sha256 != known.sha256 and not known.damaged:
            revision = compare_or_say([self.catalogue.path(known)], [self.catalogue.path(made)])
        return FileResult(item, made.proof, made.detail, received, made, revision)

    def _forget(self, part: Path) -> None:
        part.with_name(part.name + ".json").unlink(missing_ok=True)

    def _make(
        self,
        item: Item,
        fetched: Fetched,
        sha256: str,
        proof: ArchiveProof,
        detail: str,
        known: Record | None,
    ) -> Record:
        before = known or self._latest.get(item.url)
        same = before is not None and before.sha256 == sha256
        now = now_text()
        return Record(
            url=item.url,
            sha256=sha256,
            size=fetched.size,
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            first_seen=before.first_seen if before is not None and same else now,
            last_seen=now,
            proof=proof.value,
            detail=detail,
            accepted=self.accept and proof.value in ACCEPTABLE,
            supersedes=(before.supersedes if same else before.sha256) if before else "",
            market=item.market,
            symbol=item.symbol,
            data=item.data,
            interval=item.interval,
            period=item.period,
            date=item.when,
        )

    def _judge(self, item: Item, sha256: str) -> tuple[ArchiveProof, str]:
        ending = ARCHIVES[item.market].checksum
        published = self._published(item, ending) if ending else None
        return judge(item.name, sha256, published, has_checksums=bool(ending))

    def _published(self, item: Item, ending: str) -> bytes | None:
        """Return the CHECKSUM file, None where the archive has none of this file."""
        try:
            return self.client.text(self._url(item) + ending)[0]
        except Failed as error:
            if error.status == 404:
                return None
            raise

    def _finished(self, part: Path) -> Fetched | None:
        """Return a file that an earlier run moved in and did not come to record."""
        state = read_state(part)
        item_path = part.name.partition("-")[2]
        if part.exists() or "sha256" not in state:
            return None
        target = self.catalogue.objects / state["sha256"] / item_path
        if not target.is_file():
            return None
        said = (state.get("etag", ""), state.get("last_modified", ""))
        return Fetched(*said, target.stat().st_size, 0, state.get("length"))

    def _object(self, item: Item, sha256: str) -> Path:
        return self.catalogue.objects / sha256 / item.name

    def _part(self, item: Item) -> Path:
        key = hashlib.sha256(item.url.encode()).hexdigest()[:16]
        return self.catalogue.parts / f"{key}-{item.name}"

    def _url(self, item: Item) -> str:
        return f"{self.client.settings.mirror or ARCHIVES[item.market].host}/{item.path}"

    def _record(self, record: Record) -> None:
        with self._writing:
            self.catalogue.append(record)


def _plain(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')
