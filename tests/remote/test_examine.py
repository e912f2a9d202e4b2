"""What doctor says of servers that are right, and of servers that are wrong in one known way."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver import Embedder, Reranker
from quiver.doctor import Check
from quiver.engine.remote.connection import Connection
from quiver.errors import EndpointError
from quiver.models import catalog
from quiver.remote import mistakes
from quiver.remote.examine import examine_server
from quiver.server.models import OpenedModels
from tests.checkpoints import write_checkpoint
from tests.remote import faulty
from tests.server.running import running


def checks(
    connection: Connection, reference: str | Path | None = None, kind: str = "embedder"
) -> dict[str, Check]:
    """The findings about one kind of model by their names."""
    diagnoses = examine_server(connection, reference=reference)
    (found,) = [diagnosis for diagnosis in diagnoses if diagnosis.kind == kind]
    return {check.name: check for check in found.checks}


def failed(found: Mapping[str, Check]) -> list[str]:
    return [name for name, check in found.items() if check.passed is False]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(dtype="float32")


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return Reranker(dtype="float32")


def test_our_own_server_is_right_in_all_it_does(embedder: Embedder, reranker: Reranker) -> None:
    with (
        running(OpenedModels(embedder=embedder, reranker=reranker)) as server,
        Connection(server.url) as connection,
    ):
        embedding = checks(connection, catalog.BUILTIN_EMBEDDER)
        reranking = checks(connection, catalog.BUILTIN_RERANKER, "reranker")
    assert failed(embedding) == failed(reranking) == []
    assert embedding["reference"].passed is reranking["reference"].passed is True
    assert embedding["dimensions"].passed is embedding["end token"].passed is True


@pytest.mark.parametrize(
    ("mistake", "reading"),
    [
        (faulty.without_end_token, "read without the end token"),
        (faulty.pooled_by_mean, "read pooled by the mean"),
    ],
)
def test_the_model_at_hand_names_the_mistake(mistake: Any, reading: str, embedder_folder: Path) -> None:
    connection = faulty.connected({"/v1/embeddings": faulty.OpenAIShaped(mistake(Embedder(embedder_folder)))})
    found = checks(connection, embedder_folder)["reference"]
    assert found.passed is False
    assert found.detail.endswith(reading)


def test_other_pooling_is_not_guessed_at_where_a_text_is_read_both_ways(tmp_path: Path) -> None:
    """The state at a token is then none of a shorter text's."""
    embedder = Embedder(write_checkpoint(tmp_path / "both-ways-embedding", is_causal=False))
    readings = dict(mistakes.vectors_by_reading(embedder, ["What is the capital of China?"]))
    assert mistakes.RIGHT in readings
    assert not [name for name in readings if "pooled" in name]


@pytest.mark.parametrize(
    ("server", "name", "detail"),
    [
        (
            lambda embedder: faulty.OpenAIShaped(faulty.cut_at(embedder, 512)),
            "whole texts",
            "1000 words changes",
        ),
        (lambda embedder: faulty.DeafToDimensions(faulty.right(embedder)), "dimensions", "32 asked for"),
        (
            lambda embedder: faulty.OpenAIShaped(faulty.right(embedder), tokens_of_hello=1),
            "end token",
            "no end token follows",
        ),
    ],
)
def test_without_the_model_what_shows_is_said(
    server: Callable[[Embedder], faulty.OpenAIShaped], name: str, detail: str, embedder: Embedder
) -> None:
    found = checks(faulty.connected({"/v1/embeddings": server(embedder)}))
    assert failed(found) == [name]
    assert detail in found[name].detail


def test_a_special_token_in_a_text_is_counted_as_one(embedder: Embedder) -> None:
    class Parses(faulty.OpenAIShaped):
        def __call__(self, body: Mapping[str, Any]) -> Any:
            answer = super().__call__(body)
            answer["usage"] = {"prompt_tokens": 3 if "<|" in body["input"][0] else 2}
            return answer

    found = checks(faulty.connected({"/v1/embeddings": Parses(faulty.right(embedder))}))
    assert failed(found) == ["end token"]
    assert "read as the special token" in found["end token"].detail


def test_vectors_that_are_no_numbers_end_the_examination() -> None:
    nothing = faulty.OpenAIShaped(lambda texts: np.full((len(texts), 64), np.nan, np.float32))
    found = checks(faulty.connected({"/v1/embeddings": nothing}))
    assert failed(found) == ["finite"]
    assert list(found) == ["dialect", "finite"]


def test_a_reranker_without_its_template_is_found_out(reranker: Reranker) -> None:
    def answer(body: Mapping[str, Any]) -> Any:
        pairs = [(document, body["query"]) for document in body["documents"]]
        scores = reranker.predict(pairs)
        return {"results": [{"index": i, "relevance_score": float(s)} for i, s in enumerate(scores)]}

    found = checks(faulty.connected({"/v1/rerank": answer}), catalog.BUILTIN_RERANKER, "reranker")
    assert found["reference"].passed is False
    assert found["reference"].detail.endswith("with query and document exchanged")


def test_constant_scores_are_no_scores() -> None:
    def answer(body: Mapping[str, Any]) -> Any:
        return [{"index": index, "score": 1.0} for index in range(len(body["texts"]))]

    assert failed(checks(faulty.connected({"/rerank": answer}), kind="reranker")) == [
        "easy answers",
        "spread",
        "whole texts",
    ]


def test_a_server_of_no_known_kind_is_an_error() -> None:
    with pytest.raises(EndpointError, match="http://faulty speaks no dialect that Quiver knows: 404"):
        examine_server(faulty.connected({}))


def test_an_answer_of_another_shape_is_no_dialect() -> None:
    with pytest.raises(EndpointError, match="does not answer as OpenAI does"):
        examine_server(faulty.connected({"/v1/embeddings": lambda _: {"data": [{"index": 0}]}}))
