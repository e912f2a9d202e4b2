"""Instructions as Qwen3 Embedding was evaluated, and as folders say."""

from types import SimpleNamespace
from typing import Any

import pytest

from quiver.evaluate.mteb import folder_instruction, qwen3_instruction
from quiver.evaluate.mteb.instructions import Side

SIMILAR = "Retrieve semantically similar text"
QUESTION = "Given a question, retrieve Wikipedia passages that answer the question"
BANKING = "Given a online banking query, find the corresponding intents"
UBUNTU = "Retrieve duplicate questions from AskUbuntu forum"
DUPLICATES = (
    "Given a question, retrieve detailed question descriptions from Stackexchange that are duplicates to "
    "the given question"
)


def task(name: str, kind: str, prompt: Any = None) -> Any:
    return SimpleNamespace(name=name, type=kind, prompt=prompt)


@pytest.mark.parametrize(
    ("name", "kind", "side", "expected"),
    [
        ("NQ", "Retrieval", "query", QUESTION),
        ("NQ", "Retrieval", "document", None),
        ("CQADupstackUnixRetrieval", "Retrieval", "query", DUPLICATES),
        ("CQADupstackUnixRetrieval", "Retrieval", "document", DUPLICATES),
        ("SprintDuplicateQuestions", "PairClassification", None, SIMILAR),
        ("STS12", "STS", None, SIMILAR),
        ("Banking77Classification", "Classification", None, BANKING),
        ("BUCC.v2", "BitextMining", None, "Retrieve parallel sentences"),
        ("AskUbuntuDupQuestions", "Reranking", "document", UBUNTU),
    ],
)
def test_tasks_that_the_table_names(name: str, kind: str, side: Side, expected: str | None) -> None:
    assert qwen3_instruction(task(name, kind), side) == expected


def test_tasks_that_it_does_not_name_have_mtebs_own() -> None:
    assert qwen3_instruction(task("new", "Retrieval", {"query": "Find it"}), "query") == "Find it"
    assert qwen3_instruction(task("new", "Retrieval", {"query": "Find it"}), "document") is None
    assert qwen3_instruction(task("new", "Clustering", "Group it"), None) == "Group it"
    of_type = qwen3_instruction(task("MultiLongDocRetrieval", "Retrieval"), "query")
    assert of_type == "Retrieve text based on user query."


def test_folders_have_the_one_of_their_meta() -> None:
    own = task("NQ", "Retrieval", "Find it")
    assert [folder_instruction(own, side) for side in ("query", "document", None)] == [
        "Find it",
        None,
        "Find it",
    ]
    assert folder_instruction(task("NQ", "Retrieval"), "query") is None
