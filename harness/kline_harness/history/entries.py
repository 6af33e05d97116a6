"""What an archive lists, and why a file is not there.

Source: Amazon S3 API reference, ListObjects: 1,000 keys a page, `marker` names the key to go on
after, IsTruncated says whether there are more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from kline_harness.history.layouts import ARCHIVES
from kline_harness.history.selection import Item
from kline_harness.history.transport import Client, Failed

# Files come the next day, a month's on the first Monday after it; late ones within weeks.
_LATE = timedelta(days=45)
_LINK = re.compile(rb"""href\s*=\s*["']([^"'?#]+)""", re.IGNORECASE)
_PAGES_MAX = 1_000

NOT_YET = "not yet published"
NEVER = "never published"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed file; what a page of links does not say is None or ""."""

    size: int | None = None
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one folder around those asked for.

    `entries` are by path; `date` is the day of the server's own clock, None where it is not said.
    """

    entries: Mapping[str, Entry]
    date: str | None = None

    def why_absent(self, item: Item, seen_before: bool) -> tuple[str, str]:
        """Return why a file is not listed, and what that rests on."""
        if seen_before:
            return WITHDRAWN, "the catalogue has it, the archive no longer lists it"
        # Days and months of a symbol may lie in one folder.
        series = sorted(path for path in self.entries if item.series.fullmatch(path))
        if not series:
            return NEVER, "the archive lists no file of this series"
        last = series[-1].rpartition("/")[2]
        if series[-1] > item.path:
            return NEVER, f"later files are listed, up to {last}"
        if self.date is not None and str(item.last_day + _LATE) < self.date:
            return NEVER, f"more than {_LATE.days} days ago, and the last listed file is {last}"
        return NOT_YET, f"the last listed file is {last}"


def read_listing(client: Client, items: Sequence[Item]) -> Listing:
    """List the folder that some files of one series and period are in.

    Raises Failed when the listing cannot be had whole, RefusedDownload.
    """
    archive = ARCHIVES[items[0].market]
    host = client.settings.mirror or archive.listing
    folder = items[0].path.rpartition("/")[0] + "/"
    if archive.listed_as == "links":
        body, headers = client.text(f"{host}/{folder}")
        names = {
            unquote(link.decode(errors="replace")).rpartition("/")[2]
            for link in _LINK.findall(body)
        }
        return Listing({folder + name: Entry() for name in sorted(names) if name}, _date(headers))
    paths = sorted(item.path for item in items)
    # One name before the first: the series' own past tells "not yet" from "no such symbol".
    found, date = _pages(client, host, folder, paths[0].rpartition(".")[0], paths[-1])
    if not found:
        found, date = _pages(client, host, folder, "", "")
    return Listing(found, date)


def _pages(
    client: Client, host: str, folder: str, marker: str, last: str
) -> tuple[dict[str, Entry], str | None]:
    found: dict[str, Entry] = {}
    date = None
    for _ in range(_PAGES_MAX):
        query = f"delimiter=/&prefix={quote(folder, safe='/')}"
        if marker:
            query += f"&marker={quote(marker, safe='/')}"
        entries, more, headers = _page(client, f"{host}?{query}")
        date = _date(headers) or date
        found |= entries
        if not more or (entries and max(entries) > last and last):
            return found, date
        if not entries or max(entries) <= marker:
            raise Failed(f"{host}: the listing of {folder} does not go on after {marker!r}")
        marker = max(entries)
    raise Failed(f"{host}: the listing of {folder} has more than {_PAGES_MAX} pages")


def _page(client: Client, url: str) -> tuple[dict[str, Entry], bool, Mapping[str, str]]:
    """Return a page of a listing; one that is cut off is asked for again."""
    problem = ""
    for _ in range(client.settings.tries):
        body, headers = client.text(url)
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            problem = f"expected a whole XML listing, found {len(body):,} bytes ({error})"
            continue
        space = root.tag.rpartition("}")[0] + "}" if root.tag.startswith("{") else ""
        if root.tag != f"{space}ListBucketResult":
            raise Failed(f"{url}: expected an S3 listing, found the element {root.tag[:80]}")
        entries = {}
        for node in root.iter(f"{space}Contents"):
            key = node.findtext(f"{space}Key") or ""
            size = node.findtext(f"{space}Size") or ""
            etag = node.findtext(f"{space}ETag") or ""
            modified = node.findtext(f"{space}LastModified") or ""
            entries[key] = Entry(int(size) if size.isdigit() else None, etag, modified)
        more = root.findtext(f"{space}IsTruncated")
        if more not in ("true", "false"):
            raise Failed(f"{url}: expected IsTruncated in the listing, found {more!r}")
        return entries, more == "true", headers
    raise Failed(f"{url}: {problem}")


def _date(headers: Mapping[str, str]) -> str | None:
    for name, value in headers.items():
        if name.lower() == "date":
            try:
                return str(parsedate_to_datetime(value).date())
            except ValueError:
                return None
    return None
