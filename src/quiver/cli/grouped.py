"""Grouped options: several commands take the same options, which arrive as one value."""

import inspect
from collections.abc import Callable
from typing import Any


def with_options(
    name: str, gather: Callable[..., object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the command takes the options of ``gather``, whose value is its parameter ``name``."""
    gathered = inspect.signature(gather, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        spread: list[inspect.Parameter] = []
        for parameter in own.values():
            spread += gathered.values() if parameter.name == name else [parameter]

        def run(**given: Any) -> None:  # noqa: ANN401  (typer calls it by its signature)
            value = gather(**{option: given.pop(option) for option in gathered})
            command(**given, **{name: value})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        by_name = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in spread]
        run.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
        return run

    return decorate
