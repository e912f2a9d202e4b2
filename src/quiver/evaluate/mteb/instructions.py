"""Instructions: which one stands before the texts of a task.

``instructions.json`` are those of Qwen3 Embedding's evaluation (``evaluation/task_prompts.json`` of
https://github.com/QwenLM/Qwen3-Embedding, Apache-2.0), keyed by the names that tasks had in mteb 1.38.
"""

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from quiver.evaluate.extra import need

Side = Literal["query", "document"] | None
"""What a text is in its task; None where both sides are alike."""

InstructionOf = Callable[[Any, Side], str | None]
"""From mteb's ``TaskMetadata`` and a side to the instruction, or None for bare texts."""

SYMMETRIC = ("STS", "PairClassification")
SYMMETRIC_INSTRUCTION = "Retrieve semantically similar text"
FALLBACK = "Retrieval relevant passage for the given query."


def qwen3_instruction(metadata: Any, side: Side) -> str | None:  # noqa: ANN401  (mteb's class)
    """The instruction of a benchmark's task as Qwen3 Embedding was evaluated.

    Documents stand bare in retrieval, but not where the table names an instruction for them (duplicate
    questions) nor in reranking. Tasks that the table does not name have mteb's own.
    """
    own = _table().get(metadata.name)
    retrieval = "Retrieval" in metadata.type
    if isinstance(own, dict):
        return own.get("passage" if side == "document" else "query")
    if retrieval and side != "query":
        return None
    if metadata.type in SYMMETRIC:
        return SYMMETRIC_INSTRUCTION
    return own or _of_task(metadata, side) or _of_type(metadata) or (FALLBACK if retrieval else None)


def folder_instruction(metadata: Any, side: Side) -> str | None:  # noqa: ANN401  (mteb's class)
    """The instruction of an evaluation folder as in ``quiver.evaluate``: documents stand bare."""
    return None if side == "document" else _of_task(metadata, side)


def _of_task(metadata: Any, side: Side) -> str | None:  # noqa: ANN401  (mteb's class)
    prompt = metadata.prompt
    if isinstance(prompt, dict):
        prompt = prompt.get(side or "query")
    return prompt or None


def _of_type(metadata: Any) -> str | None:  # noqa: ANN401  (mteb's class)
    """What mteb says to all tasks of a type; None for tasks that it does not list."""
    try:
        found: str = need("mteb.abstasks.abstask").get_abstask_prompt(metadata.name)
    except KeyError:
        return None
    return found


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(__package__).joinpath("instructions.json").read_text("utf-8"))
    return found
