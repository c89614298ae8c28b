"""What several servers need, looked at one after the other."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

from jikko.assemble.stores import contents_of_files
from jikko.errors import InvalidSettings, JikkoError
from jikko.extras import how_to_install
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import look_at_schema, reach
from jikko.store.postgres.rights import require_rights
from jikko.store.postgres.sharing import require_own_connections, require_same_time


async def look_at_servers(settings: Settings, clock: Clock = time.time) -> AsyncIterator[tuple[str, str, str]]:
    """What several servers need, one after the other: its name, what there is, and what is wrong with it, if anything.

    Changes nothing, but that a bucket is written to.
    """
    database = Postgres(settings.database_url)

    async def there() -> str:
        await reach(database)
        return f"{settings.where_the_record_is} answers"

    async def connections() -> str:
        await require_own_connections(database)
        return f"{settings.where_the_record_is} gives each its own"

    async def rights() -> str:
        await require_rights(database)
        return f"{settings.where_the_record_is} can be written to"

    async def schema() -> str:
        return await look_at_schema(database)

    async def time_of_day() -> str:
        return f"{await require_same_time(database, clock):+.1f} s from the clock of the database"

    async def standby() -> str:
        names = await database.value("SHOW synchronous_standby_names")
        return f"synchronous: {names}" if names else "none is synchronous: a fail-over may forget what was acknowledged"

    async def messages() -> str:
        try:
            from jikko.cluster.nats.access import NatsAccess
            from jikko.cluster.nats.link import NatsLink
        except ModuleNotFoundError:
            raise InvalidSettings(f"Several servers need another library: {how_to_install('cluster')}") from None
        return await NatsLink.look(settings.nats_url, NatsAccess(settings.nats_credentials, settings.nats_ca))

    async def files() -> str:
        await contents_of_files(settings).check()
        return "can be written"

    looks: dict[str, Callable[[], Awaitable[str]]] = {
        "database": there,
        "connections": connections,
        "rights": rights,
        "schema": schema,
        "clock": time_of_day,
        "standby": standby,
        "nats": messages,
        "bucket": files,
    }
    of_database = ("connections", "rights", "schema", "clock", "standby")
    is_there = True
    try:
        for name, look in looks.items():
            if name in of_database and not is_there:
                continue
            try:
                yield name, await look(), ""
            except JikkoError as error:
                is_there = is_there and name != "database"
                yield name, "", str(error)
    finally:
        await database.close()
