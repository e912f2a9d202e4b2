"""``quiver serve``: models behind HTTP."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.index import open_store
from quiver.cli.loading import ModelOptions, embedder_name, load_embedder, load_reranker, reranker_name
from quiver.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from quiver.server.models import OpenedModels
    from quiver.server.settings import Settings

EXAMPLES = """\b
Examples:
  quiver serve
  quiver serve --embedder Qwen/Qwen3-Embedding-0.6B --reranker Qwen/Qwen3-Reranker-0.6B
  quiver serve --index docs/.quiver --reranker builtin --port 9000
  QUIVER_API_KEYS=secret quiver serve --host 0.0.0.0
  curl localhost:8080/v1/embeddings -H 'Content-Type: application/json' -d '{"input": "Hello"}'
"""
BUILTIN = "builtin"
"""What names a shipped model."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MEGABYTE = 1 << 20


def serve(
    embedder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Embedding model: hub name, folder or builtin."),
    ] = None,
    reranker: Annotated[
        str | None, typer.Option(metavar="NAME", help="Reranking model: hub name, folder or builtin.")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|ADDRESS",
            help="Index to search, made by quiver index, or its store's address; brings its embedder along.",
        ),
    ] = None,
    aliases: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME", help="Further name that clients may use. Repeatable."),
    ] = None,
    api_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--api-key",
            metavar="KEY",
            help="Key that clients must send; others on this machine can see it here. Repeatable.",
        ),
    ] = None,
    api_keys_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keys, one a line; besides those of QUIVER_API_KEYS."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on.")] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that share the port and the packed weights.")
    ] = 1,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain (PEM): serve HTTPS.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key of the certificate (PEM).")
    ] = None,
    allow_origins: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin", metavar="URL", help="Site whose pages may use the server. Repeatable."
        ),
    ] = None,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="A line of JSON for each request, without its texts.")
    ] = False,
    max_length: options.MaxLength = None,
    max_items: Annotated[int, typer.Option(min=1, metavar="N", help="Texts or pairs in a request.")] = 2048,
    max_body: Annotated[int, typer.Option(min=1, metavar="MB", help="Size of a request.")] = 16,
    max_in_flight: Annotated[
        int, typer.Option(min=1, metavar="N", help="Requests of a client that are under way at once.")
    ] = 256,
    deadline: Annotated[float, typer.Option(min=0.001, metavar="S", help="Seconds for an answer.")] = 60.0,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    quiet: options.Quiet = False,
) -> None:
    """Serve models to clients of OpenAI, Cohere, Jina, TEI, vLLM and Ollama.

    Without --embedder, --reranker and --index, both shipped models are served. A model whose numbers fail the
    self-test is not.
    """
    from quiver.server.extra import check_installed

    check_installed()
    from quiver.server.app import create_app
    from quiver.server.keys import collect_keys
    from quiver.server.run import Certificate, bind, run, run_workers
    from quiver.server.self_test import self_test
    from quiver.server.settings import Limits, Settings

    limits = Limits(
        body_bytes=max_body * MEGABYTE,
        items=max_items,
        in_flight_per_key=max_in_flight,
        deadline_seconds=deadline,
    )
    keys = collect_keys(api_keys or (), api_keys_file)
    if (tls_cert is None) != (tls_key is None):
        raise InputError("--tls-cert and --tls-key belong together; give both")
    certificate = None if tls_cert is None or tls_key is None else Certificate(tls_cert, tls_key)
    settings = Settings(
        limits=limits,
        api_keys=keys,
        aliases=aliases or (),
        allowed_origins=allow_origins or (),
        write_line=typer.echo if log_requests else None,
    )
    common = ModelOptions(device=device, dtype=dtype.value, max_length=max_length, token_budget=token_budget)
    open_models = partial(_open, embedder, reranker, index, common)
    with bind(host, port) as bound:
        opened = open_models()
        self_test(opened)
        if not quiet:
            scheme = "http" if certificate is None else "https"
            _announce(opened, scheme, host, bound.getsockname()[1], is_open=not keys)
        if workers == 1:
            run(create_app(opened, settings), bound, certificate)
        else:
            del opened
            run_workers(partial(_worker, open_models, settings), workers, bound, certificate)


def _worker(open_models: "Callable[[], OpenedModels]", settings: "Settings") -> "ASGIApp":
    """The application of a worker process."""
    from quiver.server.app import create_app
    from quiver.server.run import settle
    from quiver.server.traces import are_wanted, traced

    app = create_app(open_models(), settings)
    settle()
    return traced(app) if are_wanted() else app


def _open(
    embedder: str | None, reranker: str | None, index: str | None, common: ModelOptions
) -> "OpenedModels":
    from dataclasses import replace

    from quiver.server.models import OpenedModels, served_name

    both = embedder is None and reranker is None and index is None
    store = None if index is None else open_store(None, index)
    model = _path(embedder) if store is None or embedder is not None else store.info.model
    embeds = replace(common, model=model)
    judges = replace(common, model=_path(reranker))
    opened = load_embedder(embeds, dimension=None) if both or embedder is not None or store else None
    if store is not None and opened is not None:
        from quiver.search.index import check_fingerprint

        check_fingerprint(store, opened.fingerprint)
    return OpenedModels(
        embedder=opened,
        embedder_name=served_name(embedder_name(embeds)),
        reranker=load_reranker(judges) if both or reranker is not None else None,
        reranker_name=served_name(reranker_name(judges)),
        store=store,
    )


def _path(name: str | None) -> str | None:
    return None if name == BUILTIN else name


def _announce(opened: "OpenedModels", scheme: str, host: str, port: int, *, is_open: bool) -> None:
    names = [
        name
        for name, model in (
            (opened.embedder_name, opened.embedder),
            (opened.reranker_name, opened.reranker),
        )
        if model is not None
    ]
    shown = f"[{host}]" if ":" in host else host
    options.say_on_stderr(f"self-test passed; serving {' and '.join(names)} on {scheme}://{shown}:{port}")
    if is_open and host not in LOOPBACK:
        options.say_on_stderr("no API key is set: anyone who reaches this address may use the server")
