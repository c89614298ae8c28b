"""Why a package is not taken."""

from jikko.errors import InvalidParam


class PackageRefused(InvalidParam):
    """A package cannot be installed. The message says what is wrong with which part of it, and what to do."""

    code = "plugin_refused"
