"""Whether a server can listen."""

from jikko.cluster.data_folder_lock import owner_of
from jikko.finding import Finding
from jikko.server.listening import listen
from jikko.settings import Settings


def port(settings: Settings) -> Finding:
    """Whether a server could listen where the settings say; by now the one of this data folder may."""

    try:
        [listening] = listen(settings.host, settings.port)
    except OSError as error:
        owner = owner_of(settings.home)
        if owner is not None and owner.address.endswith(f":{settings.port}"):
            return Finding("port", True, f"{settings.host}:{settings.port} is served: {owner}")
        return Finding("port", False, str(error).replace("--port", "--port or JIKKO_PORT"))
    with listening:
        where = f"{settings.host}:{settings.port}" if settings.port else f"any free port of {settings.host}"
    return Finding("port", True, f"{where} is free")
