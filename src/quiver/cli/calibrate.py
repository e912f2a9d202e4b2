"""``quiver calibrate``: how fast an engine is on this machine, for ``quiver plan``."""

from pathlib import Path
from typing import Annotated

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions, embedder_name, load_embedder

EXAMPLES = """\b
Examples:
  quiver calibrate --model Qwen/Qwen3-Embedding-0.6B
  quiver calibrate --model Qwen/Qwen3-Embedding-0.6B --dtype int8 --seconds 120
  quiver calibrate --model Qwen/Qwen3-Embedding-0.6B --url http://gpu-machine:8000
  quiver calibrate --lengths 50 --lengths 200 --lengths 800 --rates here.json
"""

RatesFile = Annotated[
    Path | None,
    typer.Option("--rates", metavar="FILE", help="Measured rates; without it, a file in the cache folder."),
]


def calibrate(
    model: options.Model = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    backend: options.BackendOption = options.BackendName.AUTO,
    max_length: options.MaxLength = None,
    token_budget: options.TokenBudget = None,
    seconds: Annotated[float, typer.Option(min=1, metavar="S", help="About how long to measure.")] = 60.0,
    lengths: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Words of the texts; repeatable. [default: 16, 64, 256, 1024]"),
    ] = None,
    rates: RatesFile = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure how fast this machine embeds, with texts of several lengths, and keep the rates.

    Do it while nothing else runs. A later calibration of the same engine and model replaces the former.
    """
    chosen = ModelOptions(
        model=model,
        url=url,
        served_as=served_as,
        api_key_env=api_key_env,
        revision=revision,
        device=device,
        dtype=dtype.value,
        backend=backend.value,
        max_length=max_length,
        token_budget=token_budget,
    )
    say = options.say_nothing if quiet else options.say_on_stderr

    from quiver.planning.calibrate import LENGTHS
    from quiver.planning.calibrate import calibrate as measure
    from quiver.planning.rates import add_rate

    path = rates or default_rates_file()
    rate = measure(
        lambda: load_embedder(chosen, dimension=None),
        model=embedder_name(chosen),
        seconds=seconds,
        lengths=tuple(lengths or LENGTHS),
        say=say,
    )
    add_rate(path, rate)
    say(f"{rate.engine}, {rate.precision}: rates of {rate.model} are in {path}")


def default_rates_file() -> Path:
    """Where rates are kept if nothing else is said."""
    from quiver.cache import cache_folder

    return cache_folder("rates") / "rates.json"
