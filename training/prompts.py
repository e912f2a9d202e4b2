"""The published texts around queries and documents, and the task instructions used in training."""

from __future__ import annotations

import random

WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
RERANKER_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
RERANKER_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

_GENERAL = (
    "Given a question, retrieve passages that answer the question",
    "Retrieve documents that are relevant to the query",
    "Given a title, retrieve the text that belongs to it",
    "Given a query, find the most helpful document",
)
_CODE = (
    "Given a description, retrieve the code that does it",
    "Given a natural language query, retrieve relevant code",
    "Given a task, retrieve the command that does it",
)
_SAME_MEANING = (
    "Retrieve semantically similar text",
    "Given a sentence, retrieve its translation",
    "Retrieve parallel sentences",
)
_CODE_MARKS = ("tldr-command", "sympy", "networkx", "django", "stdlib", "algorithms")


def embedder_query(instruction: str, query: str) -> str:
    """Give the text of a query as the published embedding models expect it."""
    return f"Instruct: {instruction}\nQuery:{query}"


def some_instruction(kind: str, source: str, generator: random.Random) -> str:
    """Draw a task: mostly web search, else one that fits, now and then any."""
    draw = generator.random()
    if draw < 0.5:
        return WEB_SEARCH
    if draw > 0.92:
        return generator.choice((*_GENERAL, *_CODE, *_SAME_MEANING))
    if kind != "retrieval":
        return generator.choice(_SAME_MEANING)
    return generator.choice(_CODE if any(m in source for m in _CODE_MARKS) else _GENERAL)
