"""The packages of the extra ``serve``, asked for once with the command that installs them."""

from importlib.util import find_spec

from quiver.errors import InputError

NEEDED = ("fastapi", "orjson", "prometheus_client", "uvicorn")


def check_installed() -> None:
    """Raise InputError if the server cannot run, before a model is loaded."""
    for module in NEEDED:
        if find_spec(module) is None:
            raise InputError(f"serving needs {module}: pip install 'quiver-embed[serve]'")
