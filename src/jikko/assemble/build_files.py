"""The factory of stored files: contents, links to them, uploads."""

from msgspec import Struct

from jikko.assemble.build_context import BuildContext
from jikko.assemble.stores import Stores
from jikko.files.signing import UrlSigner
from jikko.files.store import Files
from jikko.inputs.file_limits import FileLimits
from jikko.inputs.uploads import FileService


class FileServices(Struct, frozen=True):
    """What keeps files, and what clients upload and download them by."""

    store: Files
    signer: UrlSigner
    limits: FileLimits
    service: FileService


def build_files(context: BuildContext, stores: Stores) -> FileServices:
    """The files of a process."""
    settings, clock = context.settings, context.clock
    signer = UrlSigner(
        keys=stores.signing_keys,
        base_url=settings.public_url or settings.address() + settings.root_path.rstrip("/"),
        validity=settings.link_seconds,
        clock=clock,
    )
    limits = FileLimits(
        max_image=settings.upload_image,
        max_video=settings.upload_video,
        max_audio=settings.upload_audio,
        max_other=settings.upload_other,
    )
    store = Files(stores.file_index, stores.blobs, signer, clock=clock)
    return FileServices(store, signer, limits, FileService(store, limits))
