"""What a fetch would bring, with sizes; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from kline_harness.history.catalogue import Catalogue, default_home
from kline_harness.history.entries import Listing
from kline_harness.history.fetch import list_series, series_of
from kline_harness.history.layouts import ARCHIVES
from kline_harness.history.selection import Item
from kline_harness.history.transport import Client, Failed, RefusedDownload, Settings
from kline_harness.nouns import counted


def plan(items: Sequence[Item], settings: Settings) -> tuple[list[str], int]:
    """Return a line for each file and one for all, and the exit code: 3 where one is not there."""
    client = Client(settings)
    latest = Catalogue(default_home()).latest()
    lines, total, unknown, code = [], 0, 0, 0
    try:
        listings = list_series(client, items)
        for item in items:
            listing = listings[series_of(item)]
            if item.url in latest and latest[item.url].usable:
                lines.append(
                    f"{item.name}: in the catalogue, {counted(latest[item.url].size, 'byte')}"
                )
                continue
            if isinstance(listing, Listing) and item.path not in listing.entries:
                state, detail = listing.why_absent(item, item.url in latest)
                lines.append(f"{item.name}: {state}; {detail}")
                code = 3
                continue
            size, problem = _size(client, item, listing)
            total += size or 0
            unknown += size is None
            code = 3 if problem else code
            shown = problem or (counted(size, "byte") if size is not None else "size not said")
            lines.append(f"{item.name}: {shown}")
    finally:
        client.close()
    end = f", {unknown:,} of unknown size" if unknown else ""
    return [*lines, f"to fetch: {counted(total, 'byte')}{end}"], code


def _size(client: Client, item: Item, listing: Listing | str) -> tuple[int | None, str]:
    size = listing.entries[item.path].size if isinstance(listing, Listing) else None
    if size is not None:
        return size, ""
    host = client.settings.mirror or ARCHIVES[item.market].host
    try:
        headers = client.head(f"{host}/{item.path}")
    except (Failed, RefusedDownload) as error:
        return None, str(error)
    length = {name.lower(): value for name, value in headers.items()}.get("content-length", "")
    return (int(length) if length.isdigit() else None), ""
