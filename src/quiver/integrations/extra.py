"""What to say when the package that an adapter is for is not installed."""

from quiver.errors import InputError


def missing(package: str, extra: str) -> InputError:
    """The error for a package that is absent, with the command that installs it."""
    return InputError(f"this adapter needs {package}: pip install 'quiver-embed[{extra}]'")
