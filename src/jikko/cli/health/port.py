"""Whether a server can listen."""

from jikko.cluster.data_folder_lock import owner_of
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.server.listening import listen
from jikko.settings import Settings


def port(settings: Settings) -> Diagnostic:
    """Whether a server could listen where the settings say; by now the one of this data folder may."""

    try:
        [listening] = listen(settings.host, settings.port)
    except OSError as error:
        owner = owner_of(settings.home)
        if owner is not None and owner.address.endswith(f":{settings.port}"):
            params = {"address": f"{settings.host}:{settings.port}", "owner": str(owner)}
            return Diagnostic("port.served", params, where="port", severity="ok")
        return Diagnostic(
            "check.verbatim", {"text": str(error).replace("--port", "--port or JIKKO_PORT")}, where="port"
        )
    with listening:
        code = "port.free" if settings.port else "port.free_any"
        params = {"address": f"{settings.host}:{settings.port}", "host": settings.host}
    return Diagnostic(code, params, where="port", severity="ok")
