"""``quiver search``: passages of an index, best first."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.endings import complain
from quiver.cli.index import IndexFolder, StoreAddress, model_wishes, open_store
from quiver.cli.loading import ModelOptions, load_embedder, load_reranker
from quiver.cli.read import is_stdin_given
from quiver.errors import InputError
from quiver.rows.parse import check_characters

if TYPE_CHECKING:
    from quiver.search.hits import SearchResult
    from quiver.search.searcher import Searcher

EXAMPLES = """\b
Examples:
  quiver search "How do I undo my last commit?"
  quiver search "late delivery" --where "metadata.year >= 2024 AND path LIKE 'reviews/%'"
  quiver search "memory leak" --mode text --format paths
  quiver search --reranker builtin --budget-ms 500
  quiver search "scaling laws" --url http://gpu-machine:8000
  quiver search "memory leak" --store qdrant+http://localhost:6333/manuals
"""
BUILTIN = "builtin"
"""What names the shipped reranker, since without --reranker there is none."""


class Mode(StrEnum):
    """How candidates are found."""

    HYBRID = "hybrid"
    DENSE = "dense"
    TEXT = "text"


class HitFormat(StrEnum):
    """Formats that hits go out in."""

    TABLE = "table"
    JSONL = "jsonl"
    PATHS = "paths"


def search(
    query: Annotated[
        str | None, typer.Argument(help="What is looked for; without it, one query a line is read.")
    ] = None,
    folder: IndexFolder = None,
    store: StoreAddress = None,
    top_k: Annotated[int, typer.Option(min=1, metavar="N", help="Passages to show.")] = 10,
    mode: Annotated[Mode, typer.Option(help="By vectors (dense), words (text) or both.")] = Mode.HYBRID,
    where: Annotated[
        str | None,
        typer.Option(metavar="FILTER", help="Only passages that meet it, such as: path LIKE 'docs/%'"),
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The task, in one sentence, instead of the model's default."),
    ] = None,
    reranker: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Rerank what was found: hub name, folder or builtin."),
    ] = None,
    rerank_top: Annotated[int, typer.Option(min=1, metavar="N", help="Passages that are reranked.")] = 20,
    budget_ms: Annotated[
        float | None, typer.Option(min=0, metavar="MS", help="Time a query; reranking stops within it.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show every stage's rank and score.")] = False,
    output_format: Annotated[
        HitFormat | None, typer.Option("--format", help="Without it: table on a terminal, else jsonl.")
    ] = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    quiet: options.Quiet = False,
) -> None:
    """Search an index made by quiver index.

    Without a query, each line of the keyboard or of standard input is one; the models stay loaded.
    """
    if query is not None:
        check_characters(query, "the query")
    shown = output_format or (HitFormat.TABLE if sys.stdout.isatty() else HitFormat.JSONL)
    say = options.say_nothing if quiet else options.say_on_stderr
    model = model_wishes(None, url, served_as, api_key_env, device, dtype, token_budget)
    searcher = _open(folder, store, model, reranker)

    from quiver.cli.hits import write_hits

    def answer(text: str) -> None:
        result = searcher.search(
            text,
            top_k=top_k,
            mode=mode.value,
            rerank_top=rerank_top,
            instruction=instruction,
            where=where,
            budget_ms=budget_ms,
            explain=explain,
        )
        write_hits(result, shown.value)
        say(_summary(result))

    if query is not None:
        answer(query)
        return
    for line in _queries():
        try:
            answer(line)
        except InputError as error:
            complain(str(error))


def _open(folder: Path | None, address: str | None, model: ModelOptions, reranker: str | None) -> "Searcher":
    from dataclasses import replace

    from quiver.search.searcher import Searcher

    store = open_store(folder, address)
    # A server that embeds seldom reranks: --url is for the index's model.
    own = None if reranker == BUILTIN else reranker
    judge = replace(model, model=own, url=None, served_as=None, truncate=True)
    return Searcher(
        store,
        embedder=load_embedder(replace(model, model=store.info.model), dimension=None),
        reranker=None if reranker is None else load_reranker(judge),
    )


def _queries() -> Iterator[str]:
    """Lines that are not blank, of the keyboard behind a prompt or of a pipe."""
    if is_stdin_given():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    with suppress(ImportError):
        import readline  # noqa: F401  (arrow keys and history at the prompt)
    while True:
        try:
            line = input("search> ").strip()
        except EOFError:
            typer.echo(err=True)
            return
        if line:
            yield line


def _summary(result: "SearchResult") -> str:
    reranked = f", {result.reranked} reranked" if result.reranked or result.skipped else ""
    skipped = f", {result.skipped} left unranked for want of time" if result.skipped else ""
    return (
        f"{len(result)} of {result.candidates} candidates{reranked}{skipped}, {1000 * result.seconds:,.0f} ms"
    )
