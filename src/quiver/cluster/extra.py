"""The package of the extra ``ray``, asked for once with the command that installs it."""

from importlib.util import find_spec

from quiver.errors import InputError


def check_installed() -> None:
    """Raise InputError if there is no Ray."""
    if find_spec("ray") is None:
        raise InputError("--ray needs Ray: pip install 'quiver-embed[ray]'")
