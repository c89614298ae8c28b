"""Checks for several servers, each made even if earlier ones fail."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

from jikko.assemble import lazy
from jikko.assemble.build_cluster import access_of
from jikko.assemble.stores import contents_of_files
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import extension_state
from jikko.store.postgres.migrate import describe_schema, reach
from jikko.store.postgres.rights import require_rights, room_for
from jikko.store.postgres.sharing import require_own_connections, require_same_time


async def check_servers(settings: Settings, clock: Clock = time.time) -> AsyncIterator[Diagnostic]:
    """Check the requirements of several servers. Changes nothing except writing to the bucket. Raises
    ``InvalidSettings``: the database library is missing."""
    database = Postgres(settings.database_url)

    place = settings.where_the_record_is

    async def there() -> Phrase:
        return Phrase("servers.answers", {"place": place, "version": await reach(database)})

    async def connections() -> Phrase:
        await require_own_connections(database)
        return Phrase("servers.own_connections", {"place": place})

    async def room() -> tuple[Phrase, bool]:
        return await room_for(database, settings.workers)

    async def rights() -> Phrase:
        await require_rights(database)
        return Phrase("servers.writable", {"place": place})

    async def schema() -> Phrase:
        return await describe_schema(database)

    async def time_of_day() -> Phrase:
        return Phrase("servers.clock", {"seconds": f"{await require_same_time(database, clock):+z.1f}"})

    async def standby() -> tuple[Phrase, bool]:
        names = await database.value("SHOW synchronous_standby_names")
        return Phrase("servers.standby", {"names": names}) if names else Phrase("servers.no_standby"), bool(names)

    async def datasets() -> tuple[Phrase, bool]:
        return await extension_state(database)

    async def messages() -> Phrase:
        access = access_of(settings)

        return await lazy.NatsLink.look(settings.nats_url, access)

    async def members() -> tuple[Phrase, bool]:
        access_of(settings)
        from jikko.assemble.servers import seen_servers

        async with seen_servers(settings) as seen:
            found = await seen.all()
        names = ", ".join(server.name for server in found)
        if not found:
            return Phrase("servers.nobody"), True
        apart = "; ".join(f"{server.name}: {', '.join(server.differs)}" for server in found if server.differs)
        if apart:
            return Phrase("servers.apart", {"names": names, "apart": apart}), False
        return Phrase("servers.alike", {"names": names}), True

    async def files() -> Phrase:
        await contents_of_files(settings).check()
        return Phrase("servers.bucket")

    looks: dict[str, Callable[[], Awaitable[Phrase | tuple[Phrase, bool]]]] = {
        "database": there,
        "connections": connections,
        "room": room,
        "rights": rights,
        "schema": schema,
        "clock": time_of_day,
        "standby": standby,
        "datasets": datasets,
        "nats": messages,
        "servers": members,
        "bucket": files,
    }
    of_others = ("database", "nats", "bucket")
    is_there = True
    try:
        for name, look in looks.items():
            if name not in of_others and not is_there:
                continue
            try:
                found = await look()
                said, suffices = found if isinstance(found, tuple) else (found, True)
                yield Diagnostic(said.code, said.params, where=name, severity="ok" if suffices else "warning")
            except JikkoError as error:
                is_there = is_there and name != "database"
                yield Diagnostic("check.verbatim", {"text": str(error)}, where=name)
    finally:
        await database.close()
