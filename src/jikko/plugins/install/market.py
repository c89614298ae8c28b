"""Downloads packages by their names, from a marketplace."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from jikko.plugins.package.archive import MAX_PACKED
from jikko.plugins.package.names import Identifier, identifier
from jikko.plugins.package.refused import PackageRefused
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts

_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, write=60.0, total=600.0)


async def download(wanted: Identifier, market: str, http: HttpClient) -> tuple[bytes, Identifier]:
    """A package, and the identifier that the marketplace has it under.

    Args:
        wanted: Without a checksum the newest version is meant, or the newest of that version.
        market: The address of the marketplace.

    Raises:
        PackageRefused: There is none, or it cannot be downloaded.
    """
    exact = wanted if wanted.version and wanted.checksum else await _newest(wanted, market, http)
    text = f"{exact.plugin}:{exact.version}@{exact.checksum}"
    url = f"{market.rstrip('/')}/api/v1/plugins/download?unique_identifier={quote(text, safe='')}"
    return await _ask(OutgoingRequest(method="GET", url=url, timeouts=_TIMEOUTS, max_bytes=MAX_PACKED), http), exact


async def _newest(wanted: Identifier, market: str, http: HttpClient) -> Identifier:
    body = msgspec.json.encode({"plugin_ids": [wanted.plugin]})
    request = OutgoingRequest(
        method="POST",
        url=f"{market.rstrip('/')}/api/v1/plugins/batch",
        headers=(("Content-Type", "application/json"),),
        body=body,
        timeouts=_TIMEOUTS,
    )
    try:
        answer: Any = msgspec.json.decode(await _ask(request, http))
        listed = answer["data"]["plugins"]
        found = [identifier(str(entry["latest_package_identifier"])) for entry in listed if isinstance(entry, Mapping)]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise PackageRefused(f"{market} gives no answer that can be understood.") from None
    for exact in found:
        if exact is not None and exact.plugin == wanted.plugin and exact.checksum:
            if wanted.version and exact.version != wanted.version:
                raise PackageRefused(
                    f"{market} has {wanted.plugin} {exact.version}; of {wanted.version} it takes the identifier with "
                    "its checksum, as a workflow file has it."
                )
            return exact
    raise PackageRefused(f"{market} has no plugin {wanted.plugin}.")


async def _ask(request: OutgoingRequest, http: HttpClient) -> bytes:
    try:
        answer = await http.send(request)
    except HttpFailure as failure:
        raise PackageRefused(f"The package cannot be downloaded: {failure}") from None
    if answer.status != 200:
        raise PackageRefused(f"The package cannot be downloaded: {request.url} answered {answer.status}.")
    return answer.body
