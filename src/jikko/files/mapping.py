"""File mappings: how a file looks among the values of a run.

Source: docs/dify-behaviour.md, “File values”.
"""

import re
from typing import Final

from jikko.files.signing import UrlSigner
from jikko.ports.files.file_store import reference_of
from jikko.ports.files.file_types import detect_type
from jikko.ports.stores.file_index import StoredFile
from jikko.values import FILE_IDENTITY, Json, is_file


def stored_mapping(
    file: StoredFile,
    signer: UrlSigner,
    *,
    type: str = "",
    transfer_method: str = "",
    id: Json = None,
    base_url: str = "",
) -> dict[str, Json]:
    """The mapping of a file that is kept here, with a fresh url."""
    url = signer.url(file, base_url)
    method = transfer_method or ("tool_file" if file.origin == "node" else "local_file")
    remote: dict[str, Json] = {"local_file": "", "remote_url": url}
    return {
        "dify_model_identity": FILE_IDENTITY,
        "id": id,
        "type": type or detect_type(file.extension, file.mime_type),
        "transfer_method": method,
        "remote_url": remote.get(method),
        "reference": reference_of(file.id),
        "filename": file.name,
        "extension": f".{file.extension}",
        "mime_type": file.mime_type,
        "size": file.size,
        "related_id": file.id,
        "url": url,
    }


def resign(value: Json, signer: UrlSigner, base_url: str = "") -> Json:
    """See ``FileStore.renewed``."""
    try:
        return _walk(value, signer, base_url)
    except RecursionError:
        return value


_SIGNED: Final = re.compile(
    r"https?://[^\s()<>\"'`]*?/files/(?:tools/)?([0-9a-f]{8}-[0-9a-f-]{27})[^\s()<>\"'`?]*"
    r"\?timestamp=\d+&nonce=[0-9a-f]+&sign=[A-Za-z0-9_%=-]+"
)


def resign_text(text: str, signer: UrlSigner, base_url: str = "") -> str:
    """See ``FileStore.renewed_text``."""
    if "&sign=" not in text:
        return text
    return _SIGNED.sub(lambda found: signer.renewed(found[0], found[1], base_url) or found[0], text)


def _walk(value: Json, signer: UrlSigner, base_url: str) -> Json:
    match value:
        case dict():
            if is_file(value):
                return _resigned(value, signer, base_url)
            changed = {key: _walk(item, signer, base_url) for key, item in value.items()}
            return changed if any(changed[key] is not value[key] for key in value) else value
        case list():
            items = [_walk(item, signer, base_url) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        case _:
            return value


def _resigned(file: dict[str, Json], signer: UrlSigner, base_url: str) -> dict[str, Json]:
    url, file_id = file.get("url"), file.get("related_id")
    if not isinstance(url, str) or not isinstance(file_id, str):
        return file
    fresh = signer.renewed(url, file_id, base_url)
    if fresh is None:
        return file
    # The stored copy of a remote file shows its address twice.
    return {**file, "url": fresh, "remote_url": fresh if file.get("remote_url") == url else file.get("remote_url")}
