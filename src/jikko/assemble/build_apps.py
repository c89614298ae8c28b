"""The factory of apps: what is published, the keys that open it, the users that it has."""

from msgspec import Struct

from jikko.apps.app_keys import AppKeys
from jikko.apps.end_users import EndUsers
from jikko.apps.key_uses import KeyUses
from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import Workflows
from jikko.assemble.build_context import BuildContext
from jikko.assemble.node_ports import mocks_of
from jikko.assemble.stores import Stores
from jikko.assemble.tools import importing_for_nodes
from jikko.concurrency.rate_limit import Rate
from jikko.nodes.registry import BY_TYPE


class AppServices(Struct, frozen=True):
    """What knows the apps of an installation."""

    apps: AppCatalog
    keys: AppKeys
    end_users: EndUsers


def build_workflows(context: BuildContext, stores: Stores) -> Workflows:
    """What compiles versions of apps.

    Raises:
        InvalidSettings: The setting ``mocks`` cannot be used.
    """
    settings = context.settings
    return Workflows(
        stores.apps,
        BY_TYPE,
        environment=settings.env,
        mocks=mocks_of(settings.mocks),
        prepare=importing_for_nodes(settings),
    )


def build_apps(context: BuildContext, stores: Stores, rate: Rate, *, notes_uses: bool) -> AppServices:
    """The apps of a process.

    Args:
        rate: How many requests each key may make.
        notes_uses: Whether it is noted when a key was used last, which the console shows.
    """
    clock, uses = context.clock, None
    if notes_uses:
        uses = KeyUses(stores.apps.note_uses, clock)
        context.stack.step("uses of keys", uses.close)
    return AppServices(
        AppCatalog(stores.apps, BY_TYPE, clock),
        AppKeys(stores.apps, clock, rate=rate, uses=uses),
        EndUsers(stores.end_users),
    )
