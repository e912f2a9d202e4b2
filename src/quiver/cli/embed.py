"""``quiver embed``: texts to vectors."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quiver.cli import options, ray_options
from quiver.cli.loading import ModelOptions, embedder_name, load_embedder
from quiver.cli.read import open_texts
from quiver.cli.summary import Summary, counted
from quiver.cli.write import OutputFormat, choose_format

if TYPE_CHECKING:
    from quiver.cli.vectors import EmbeddedBlock
    from quiver.embedder import Embedder

EXAMPLES = """\b
Examples:
  quiver embed "Gravity is a force." "Beijing is a city."
  quiver embed --as query "What is the capital of China?" --format jsonl
  quiver embed --input corpus.jsonl --field body --output corpus.parquet
  quiver embed --input corpus.csv --dim 128 --output corpus.npy
  quiver embed --input corpus.jsonl --url http://gpu-machine:8080 --output corpus.parquet
  quiver embed --input corpus.parquet --output vectors --ray auto
  cat lines.txt | quiver embed --truncate --max-length 512 > lines.jsonl
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChoice:
    """What stands before every text; at most one of the three is given."""

    name: str | None = None
    """Name of one of the model's prompts; document if nothing else is said."""
    instruction: str | None = None
    prompt: str | None = None

    def __post_init__(self) -> None:
        if self.prompt is not None and (self.name is not None or self.instruction is not None):
            raise typer.BadParameter("--prompt replaces what --as and --instruction put before a text")
        if self.instruction is not None and self.name not in (None, "query"):
            raise typer.BadParameter(f"--instruction is for queries, not for --as {self.name}")

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``Embedder.encode_stream``."""
        is_bare = self.prompt is None and self.instruction is None
        return {
            "prompt_name": self.name or ("document" if is_bare else None),
            "prompt": self.prompt,
            "instruction": self.instruction,
        }


def embed(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; - is standard input.")] = None,
    input_files: options.InputFiles = None,
    field: options.Field = None,
    input_format: options.InputFormatOption = None,
    prompt_name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="What the texts are: query, document, or a prompt of the model's own. [default: document]",
        ),
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The task, in one sentence; makes queries of the texts."),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Exactly what stands before each text, instead of a named prompt."),
    ] = None,
    model: options.Model = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    revision: options.Revision = None,
    dim: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Cut vectors to N values (Matryoshka) and normalise again."),
    ] = None,
    max_length: options.MaxLength = None,
    truncate: options.Truncate = False,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    backend: options.BackendOption = options.BackendName.AUTO,
    token_budget: options.TokenBudget = None,
    parse_special_tokens: options.ParseSpecialTokens = False,
    output_format: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Without it: by the file's name; table on a terminal, else jsonl."),
    ] = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
    ray: ray_options.Ray = None,
    ray_workers: ray_options.RayWorkers = None,
    ray_cpus: ray_options.RayProcessors = 1,
    part_rows: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Rows of a file of the output.", rich_help_panel=ray_options.PANEL
        ),
    ] = 4096,
) -> None:
    """Turn texts into vectors, one for each text, in their order.

    Every line of a .txt file is a text, blank ones too, so that lines and vectors correspond. Files and
    pipes of any size pass through in constant memory.
    """
    prompts = PromptChoice(name=prompt_name, instruction=instruction, prompt=prompt)
    choice = options.input_choice(texts, input_files, field, input_format)
    model_options = ModelOptions(
        model=model,
        url=url,
        served_as=served_as,
        api_key_env=api_key_env,
        revision=revision,
        device=device,
        dtype=dtype.value,
        backend=backend.value,
        max_length=max_length,
        truncate=truncate,
        token_budget=token_budget,
        parse_special_tokens=parse_special_tokens,
    )
    say = options.say_nothing if quiet else options.say_on_stderr
    if ray is not None:
        from quiver.cli.embed_ray import embed_on_ray

        embed_on_ray(
            choice,
            output,
            model_options,
            dim,
            prompts.arguments,
            ray_options.workers_of(ray, ray_workers, ray_cpus, url),
            part_rows,
            say,
            show_progress=False if quiet else None,
        )
        return
    chosen = choose_format(output_format, output, tuple(OutputFormat))
    found = open_texts(choice, say)

    from quiver.cli.vectors import open_writer

    summary = Summary()
    count = dimension = 0
    with open_writer(chosen, output, embedder_name(model_options)) as writer:
        embedder = load_embedder(model_options, dimension=dim)
        for block in _embedded(embedder, found, prompts, show_progress=False if quiet else None):
            writer.write(block)
            summary.add(block.vectors.usage, block.vectors.cuts)
            count += len(block.texts)
            dimension = block.vectors.shape[1]
    say(summary.line(f"{counted(count, 'text')}, {counted(dimension, 'dimension')}"))


def _embedded(
    embedder: "Embedder", texts: Iterable[str], prompts: PromptChoice, *, show_progress: bool | None
) -> "Iterator[EmbeddedBlock]":
    """Vectors beside their texts, holding no more texts than are under way."""
    from quiver.cli.vectors import EmbeddedBlock

    waiting: deque[str] = deque()

    def remembered() -> Iterator[str]:
        for text in texts:
            waiting.append(text)
            yield text

    first = 0
    for vectors in embedder.encode_stream(remembered(), show_progress_bar=show_progress, **prompts.arguments):
        yield EmbeddedBlock(first, [waiting.popleft() for _ in range(len(vectors))], vectors)
        first += len(vectors)
