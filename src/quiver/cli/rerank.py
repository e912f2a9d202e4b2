"""``quiver rerank``: documents in the order of their relevance to a query."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions, load_reranker, reranker_name
from quiver.cli.read import open_texts
from quiver.cli.summary import Summary, counted
from quiver.cli.write import OutputFormat, choose_format
from quiver.errors import InputError
from quiver.rows.parse import check_characters

if TYPE_CHECKING:
    from quiver.cli.ranking import RankedText
    from quiver.results import Ranking

EXAMPLES = """\b
Examples:
  quiver rerank "What is the capital of China?" "Beijing is." "Gravity is a force."
  quiver rerank "How do I undo my last commit?" --input notes.txt --top-k 5
  quiver rerank "late delivery" -i reviews.csv --field review --instruction \\
      "Given a complaint, retrieve reviews that make the same complaint"
  quiver rerank "late delivery" -i reviews.csv --url https://models.example --served-as my-model
  grep -r -h TODO src | quiver rerank "memory leak" --format jsonl
"""


class RankingFormat(StrEnum):
    """Formats that a ranking goes out in."""

    TABLE = "table"
    JSONL = "jsonl"
    PARQUET = "parquet"


def rerank(
    query: Annotated[str, typer.Argument(help="What is looked for.", show_default=False)],
    documents: Annotated[list[str] | None, typer.Argument(help="Documents; - is standard input.")] = None,
    input_files: options.InputFiles = None,
    field: options.Field = None,
    input_format: options.InputFormatOption = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep only the best N; without it, all.")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SCORE", help="Keep only what scores so much or more."),
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The task, in one sentence, instead of the model's default."),
    ] = None,
    model: options.Model = None,
    url: options.Url = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    truncate: options.Truncate = False,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    backend: options.BackendOption = options.BackendName.AUTO,
    token_budget: options.TokenBudget = None,
    parse_special_tokens: options.ParseSpecialTokens = False,
    output_format: Annotated[
        RankingFormat | None,
        typer.Option("--format", help="Without it: by the file's name; table on a terminal, else jsonl."),
    ] = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Order documents by their relevance to a query.

    The score is the probability that the document meets the query, as the model judges. Index is the
    document's position in the input, from 0; blank documents keep their position but are not ranked.
    """
    asked = None if output_format is None else OutputFormat(output_format.value)
    chosen = choose_format(asked, output, [OutputFormat(each.value) for each in RankingFormat])
    choice = options.input_choice(documents, input_files, field, input_format)
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
    check_characters(query, "the query")
    candidates = list(open_texts(choice, say))
    if not any(map(str.strip, candidates)):
        raise InputError(f"no documents to rank: all {len(candidates):,} are blank")

    from quiver.cli.ranking import open_ranking

    with open_ranking(chosen, output) as write:
        reranker = load_reranker(model_options)
        ranking = reranker.rank(
            query, candidates, instruction=instruction, show_progress_bar=False if quiet else None
        )
        origin = {
            "quiver.model": reranker_name(model_options),
            "quiver.fingerprint": str(reranker.fingerprint),
            "quiver.query": query,
        }
        ranked = [each for each in _ranked(ranking, candidates) if each.score >= (min_score or 0.0)]
        write(ranked[:top_k], origin)
    summary = Summary()
    summary.add(ranking.usage, ranking.cuts)
    say(summary.line(counted(len(candidates), "document")))


def _ranked(ranking: "Ranking", candidates: Sequence[str]) -> "list[RankedText]":
    """The documents that are not blank, best first."""
    from quiver.cli.ranking import RankedText

    lost = {cut.index: cut.removed for cut in ranking.cuts}
    written = [document for document in ranking if candidates[document["corpus_id"]].strip()]
    return [
        RankedText(
            rank=rank,
            index=document["corpus_id"],
            score=document["score"],
            log_odds=document["log_odds"],
            text=candidates[document["corpus_id"]],
            tokens_cut=lost.get(document["corpus_id"], 0),
        )
        for rank, document in enumerate(written, start=1)
    ]
