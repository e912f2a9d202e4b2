"""The packages of the extras ``evaluate`` and ``eval``, asked for with the command that installs them."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from quiver.errors import InputError

SCORING = ("pytrec_eval", "scipy", "sklearn")

WITH_MTEB = ("datasets", "mteb", "sentence_transformers")
"""Those of ``eval``, which are far larger than the rest."""


def check_installed() -> None:
    """Raise InputError if the scores cannot be computed, before anything is embedded."""
    for module in SCORING:
        if find_spec(module) is None:
            raise _missing(module)


def need(module: str) -> ModuleType:
    """Import one of the extra's packages."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(module) from error


def _missing(module: str) -> InputError:
    extra = "eval" if module.partition(".")[0] in WITH_MTEB else "evaluate"
    return InputError(f"evaluation needs {module}: pip install 'quiver-embed[{extra}]'")
