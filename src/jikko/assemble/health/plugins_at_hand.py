"""What there is of plugins in a data folder, for the doctor and the console."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from jikko.cluster.data_folder_lock import owner_of
from jikko.locks.calls import landlock_abi
from jikko.plugins.file import read_plugins_file
from jikko.plugins.install.installed import InstalledPlugins
from jikko.plugins.process.cgroups import find
from jikko.settings import Settings


class PluginsAtHand(NamedTuple):
    """What there is of plugins."""

    installed: int
    landlock: int
    """The version of Landlock that the kernel has; 0: none."""
    groups: str
    """Where the server, or else this process, has control groups for them; ``""``: nowhere."""
    no_groups: str
    """Why it has none."""


def plugins_at_hand(settings: Settings, environment: Mapping[str, str] = os.environ) -> PluginsAtHand:
    """What there is of plugins in a data folder. Starts nothing.

    Raises:
        InvalidSettings: The plugins file, or the list of plugins, cannot be read.
    """
    read_plugins_file(settings.plugins, environment)
    owner = owner_of(settings.home)
    groups = find("self" if owner is None else owner.pid)
    installed = len(InstalledPlugins(settings.plugin_folder).entries())
    return PluginsAtHand(installed, landlock_abi(), str(groups.base or ""), groups.reason)
