"""Files in one."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from pathlib import PurePosixPath


async def zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Files by their names as a ZIP file; of equal names the later ones are numbered."""
    return await asyncio.to_thread(_zipped, files)


def _zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            path = PurePosixPath(name.replace("\\", "/").replace("/", "_") or "document")
            own, number = path.name, 1
            while own in taken:
                number += 1
                own = f"{path.stem} ({number}){path.suffix}"
            taken.add(own)
            archive.writestr(own, content)
    return target.getvalue()
