"""``quiver train synthesize``: queries for documents, by a chat model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions, load_embedder
from quiver.cli.read import open_texts
from quiver.cli.summary import counted

if TYPE_CHECKING:
    from quiver.train.synthesize import SynthesisReport

EXAMPLES = """\b
Examples:
  quiver train synthesize -i documents.jsonl --chat-model gpt-5-mini -o pairs.jsonl
  quiver train synthesize -i documents.jsonl --chat-model Qwen/Qwen3-32B \\
      --base-url http://localhost:8000/v1 --concurrency 64 -m Qwen/Qwen3-Embedding-0.6B -o pairs.jsonl
  quiver train synthesize -i notes.txt --chat-model qwen3:8b --base-url http://localhost:11434/v1 \\
      --language German --language English --threshold 0.6 -o pairs.jsonl
"""


def synthesize(
    chat_model: Annotated[
        str, typer.Option(metavar="NAME", help="The chat model, as its endpoint knows it.")
    ],
    documents: Annotated[list[str] | None, typer.Argument(help="Documents; - is standard input.")] = None,
    input_files: options.InputFiles = None,
    field: options.Field = None,
    input_format: options.InputFormatOption = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible endpoint; without it, OpenAI's own."),
    ] = None,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the API key.")
    ] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at once.")] = 8,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps every answer, so that the same command goes on where it was stopped; "
            "without it, OUTPUT.answers.jsonl.",
        ),
    ] = None,
    personas: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Kinds of readers, one a line; without it, Quiver's own."),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Language of the queries; of several, one is drawn a query. Without it, the document's own.",
        ),
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Stands before the queries, in the rows and in the filter."),
    ] = None,
    task: Annotated[str, typer.Option(metavar="NAME", help="Name of the task in the rows.")] = "synthesized",
    threshold: Annotated[
        float, typer.Option(min=-1, max=1, help="Keep pairs whose cosine is above this.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="Another number, other queries.")] = 0,
    model: options.Model = None,
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    truncate: options.Truncate = False,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a search query for each document with a chat model, and keep the pairs that match.

    Two requests a document: which reader, type and difficulty, then the query itself. The embedder (--model)
    offers the readers and filters the pairs. Every answer is kept as it comes, so nothing is paid for twice.
    """
    if answers is None:
        if output is None:
            raise typer.BadParameter(
                "name a file for the answers with --answers, or for the rows with --output"
            )
        answers = output.with_name(f"{output.name}.answers.jsonl")
    choice = options.input_choice(documents, input_files, field, input_format)
    say = options.say_nothing if quiet else options.say_on_stderr
    found = open_texts(choice, say)

    from quiver.cli.target import open_target
    from quiver.cli.write import write_records
    from quiver.train.chat import ChatEndpoint
    from quiver.train.query_writing import SAME_LANGUAGE
    from quiver.train.synthesize import read_personas
    from quiver.train.synthesize import synthesize as write_queries

    with open_target(output) as target:
        synthesized = write_queries(
            found,
            load_embedder(
                ModelOptions(
                    model=model,
                    revision=revision,
                    device=device,
                    dtype=dtype.value,
                    max_length=max_length,
                    truncate=truncate,
                    token_budget=token_budget,
                ),
                dimension=None,
            ),
            ChatEndpoint(
                model=chat_model, base_url=base_url, api_key_env=api_key_env, concurrency=concurrency
            ),
            answers=answers,
            personas=None if personas is None else read_personas(personas),
            languages=language or (SAME_LANGUAGE,),
            instruction=instruction,
            task=task,
            threshold=threshold,
            seed=seed,
            show_progress_bar=False if quiet else None,
        )
        write_records(target, (row.record() for row in synthesized.rows))
    say(_summary(synthesized.report, answers))


def _summary(report: "SynthesisReport", answers: Path) -> str:
    unusable = "".join(f"; {count:,} unusable: {reason}" for reason, count in report.unusable.items())
    unanswered = ""
    if report.unanswered:
        count, reason = sum(report.unanswered.values()), next(iter(report.unanswered))
        unanswered = f"; {count:,} unanswered ({reason}), the same command asks again"
    return (
        f"{counted(report.kept, 'row')}; {report.distant:,} below the threshold{unusable}{unanswered}; "
        f"{counted(report.answers_bought, 'answer')} added to the {report.answers_known:,} in {answers}"
    )
