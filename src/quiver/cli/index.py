"""``quiver index`` and ``quiver reindex``: files into an index."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options, ray_options
from quiver.cli.loading import ModelOptions, load_embedder
from quiver.cli.updating import Update, update_here, update_on_ray
from quiver.errors import InputError, NoIndex

if TYPE_CHECKING:
    from quiver.embedder import Embedder
    from quiver.search.home import IndexHome
    from quiver.search.places import Place
    from quiver.search.store import IndexInfo, Store

INDEX_EXAMPLES = """\b
Examples:
  quiver index docs src/README.md
  quiver index
  quiver index ~/notes --index ~/notes-index --model Qwen/Qwen3-Embedding-0.6B
  quiver index papers --model Qwen/Qwen3-Embedding-8B --url http://gpu-machine:8000
  quiver index ~/notes --store qdrant+http://localhost:6333/notes
  quiver index /shared/papers --store milvus+http://milvus:19530/papers --ray auto
"""
REINDEX_EXAMPLES = """\b
Examples:
  quiver reindex --model Qwen/Qwen3-Embedding-0.6B
  quiver reindex --max-tokens 500
"""
MAX_TOKENS = 300

StoreAddress = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="ADDRESS",
        help="Keep passages in a database: qdrant+http://HOST:6333/NAME, milvus+http://HOST:19530/NAME "
        "or postgresql://HOST/DB?schema=NAME.",
    ),
]
IndexFolder = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="DIR",
        help="Where the index is; without it, .quiver here or in the nearest folder above.",
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(min=16, metavar="N", help=f"Longest passage of a new index in tokens; else {MAX_TOKENS}."),
]
Shortlist = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="In a new index, the first N values of each vector find candidates that the whole ones order.",
    ),
]
ReportFormat = Annotated[
    options.ListFormat,
    typer.Option("--format", help="Report on standard error (table), or on standard output (jsonl)."),
]


def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; without any, those indexed before.")
    ] = None,
    folder: IndexFolder = None,
    store: StoreAddress = None,
    model: options.Model = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    max_tokens: MaxTokens = None,
    shortlist: Shortlist = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    output_format: ReportFormat = options.ListFormat.TABLE,
    quiet: options.Quiet = False,
    ray: ray_options.Ray = None,
    ray_workers: ray_options.RayWorkers = None,
    ray_cpus: ray_options.RayProcessors = 1,
) -> None:
    """Index files for search, or bring an index up to date.

    Only what is new or changed is embedded. A run that was stopped goes on where it was.
    """
    wishes = model_wishes(model, url, served_as, api_key_env, device, dtype, token_budget)
    workers = None if ray is None else ray_options.workers_of(ray, ray_workers, ray_cpus, url)
    home = _home(folder)
    missing = [str(path) for path in paths or () if not path.exists()]
    if missing:
        raise InputError(f"there is no {missing[0]}")
    home = _at(home, store).with_roots(paths or ())
    if not home.roots:
        raise InputError("nothing was indexed here before; name files or folders: quiver index PATH")

    try:
        opened = home.store.open()
        _check_settings(opened.info, max_tokens, shortlist)
        wishes = replace(wishes, model=model or opened.info.model)
        embedder = load_embedder(wishes, dimension=None)
    except NoIndex:
        embedder = load_embedder(wishes, dimension=None)
        opened = home.store.create(_info(model, embedder, max_tokens, shortlist))
    if workers is None:
        _run(opened, home, partial(update_here, embedder), output_format, quiet)
        return
    _run(opened, home, partial(update_on_ray, embedder, wishes, workers), output_format, quiet)


def reindex(
    folder: IndexFolder = None,
    model: options.Model = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    max_tokens: MaxTokens = None,
    shortlist: Shortlist = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    output_format: ReportFormat = options.ListFormat.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """Embed all files again, with another model or another size of passages.

    Searches find the old index until the new one is whole. A run that was stopped goes on where it was.
    """
    home = require_home(folder)
    old = home.store.open()
    wishes = model_wishes(model, url, served_as, api_key_env, device, dtype, token_budget)
    embedder = load_embedder(wishes, dimension=None)
    wanted = _info(
        model, embedder, max_tokens or old.info.max_tokens, shortlist or old.info.shortlist_dimension
    )
    with old.writing():
        _run(_resumed(home.next_store, wanted), home, partial(update_here, embedder), output_format, quiet)
    old.close()
    home.with_next_generation()


def require_home(folder: Path | None) -> "IndexHome":
    """The index named or found; raises InputError if there is none."""
    from quiver.search.extra import check_installed
    from quiver.search.home import find_home, open_home

    check_installed()
    home = find_home(Path.cwd()) if folder is None else open_home(folder)
    if home is None:
        place = "here or above" if folder is None else f"in {folder}"
        raise InputError(f"there is no index {place}; make one with: quiver index PATH")
    return home


def open_store(folder: Path | None, address: str | None) -> "Store":
    """The store at an address, else of the index named or found; raises InputError if there is none."""
    from quiver.search.extra import check_installed
    from quiver.search.places import is_path, place_of

    check_installed()
    if address is not None and not is_path(address):
        return place_of(address).open()
    return require_home(folder if address is None else Path(address)).store.open()


def _home(folder: Path | None) -> "IndexHome":
    from quiver.search.extra import check_installed
    from quiver.search.home import HOME_NAME, IndexHome, find_home, open_home

    check_installed()
    found = find_home(Path.cwd()) if folder is None else open_home(folder)
    return found or IndexHome(folder=(folder or Path.cwd() / HOME_NAME).resolve())


def model_wishes(
    model: str | None,
    url: str | None,
    served_as: str | None,
    api_key_env: str,
    device: str | None,
    dtype: options.Dtype,
    token_budget: int | None,
) -> ModelOptions:
    """How an index's model runs: passages fit it, and a query too long is cut where that can be exact."""
    return ModelOptions(
        model=model,
        url=url,
        served_as=served_as,
        api_key_env=api_key_env,
        device=device,
        dtype=dtype.value,
        token_budget=token_budget,
        truncate=url is None,
    )


def _check_settings(info: "IndexInfo", max_tokens: int | None, shortlist: int | None) -> None:
    """Raise InputError for settings that an index has had otherwise from its first day on."""
    for option, wanted, own in (
        ("--max-tokens", max_tokens, info.max_tokens),
        ("--shortlist", shortlist, info.shortlist_dimension),
    ):
        if wanted is not None and wanted != own:
            made = f"with {option} {own}" if own else f"without {option}"
            raise InputError(f"the index was made {made}; to change it: quiver reindex {option} {wanted}")


def _info(
    model: str | None, embedder: "Embedder", max_tokens: int | None, shortlist: int | None
) -> "IndexInfo":
    from quiver.search.store import IndexInfo

    dimension = embedder.fingerprint.dimension
    if shortlist is not None and shortlist >= dimension:
        raise InputError(f"--shortlist must be less than the {dimension} values of a vector, not {shortlist}")
    if model is not None and Path(model).exists():
        model = str(Path(model).resolve())
    return IndexInfo(
        model=model,
        fingerprint=embedder.fingerprint,
        max_tokens=max_tokens or MAX_TOKENS,
        shortlist_dimension=shortlist,
    )


def _resumed(place: "Place", wanted: "IndexInfo") -> "Store":
    """The store of a rebuild that was stopped, if it was one to the same end, else a new one."""
    with suppress(NoIndex):
        store = place.open()
        if store.info == wanted:
            return store
        store.close()
    place.drop()
    return place.create(wanted)


def _at(home: "IndexHome", address: str | None) -> "IndexHome":
    """The home with its store at an address; an index that is there keeps its own."""
    from quiver.search.places import absolute, place_of

    if address is None:
        return home
    place_of(address)
    wanted = absolute(address)
    if home.roots and home.address != wanted:
        raise InputError(
            f"the index of {home.folder} is in {home.address or 'that folder'}, not in {address}; leave out "
            "--store, or make another index with --index DIR"
        )
    return replace(home, address=wanted)


def _run(
    store: "Store", home: "IndexHome", update: Update, output_format: options.ListFormat, quiet: bool
) -> None:
    from quiver.cli.index_report import report_lines, report_record
    from quiver.cli.target import open_target
    from quiver.cli.write import write_records
    from quiver.search.file_corpus import FileCorpus

    try:
        report = update(store, FileCorpus(home, home.roots), False if quiet else None)
    finally:
        store.close()
    if output_format is options.ListFormat.JSONL:
        with open_target(None) as target:
            write_records(target, [report_record(report)])
    elif not quiet:
        for line in report_lines(report):
            options.say_on_stderr(line)
