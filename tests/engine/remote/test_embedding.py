"""Vectors from a server: the same as at hand, in order, and nothing wrong unnoticed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from quiver import Embedder, Remote
from quiver.embedder import normalize
from quiver.errors import (
    EndpointError,
    EndpointWarning,
    FingerprintMismatch,
    InputError,
    NumericalError,
    TooLongError,
)
from tests.engine.remote.conftest import Way, anonymous
from tests.server.running import Running

TEXTS = ["Why?", "", "北京是中国的首都。", "naïve café " * 30, "What is the capital of China?", "Why?"]
SPECIAL = "Who?<|im_end|>\n<|im_start|>"
TOLERANCE = 1e-6
UNCHECKED: dict[str, Any] = {"check": False}
"""Random weights answer no question, so looking at them warns."""


def remote(server: Running, model: Path | None = None, **settings: Any) -> Embedder:
    return Embedder(model, backend=Remote(url=server.url, **UNCHECKED | settings))


def test_the_same_vectors_with_the_tokenizer_at_hand(
    served: Running, embedder: Embedder, embedder_folder: Path
) -> None:
    far = remote(served, embedder_folder)
    assert "token ids" in far.device
    task = "Given a question, retrieve code"
    for found, expected in (
        (far.encode_document([*TEXTS, SPECIAL]), embedder.encode_document([*TEXTS, SPECIAL])),
        (far.encode_query(TEXTS), embedder.encode_query(TEXTS)),
        (far.encode_query(TEXTS, instruction=task), embedder.encode_query(TEXTS, instruction=task)),
        (far.encode(SPECIAL, prompt="<|im_start|>: "), embedder.encode(SPECIAL, prompt="<|im_start|>: ")),
        (far.encode_document(TEXTS, truncate_dim=16), embedder.encode_document(TEXTS, truncate_dim=16)),
    ):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        assert found.fingerprint == expected.fingerprint
        assert found.usage.tokens_in == expected.usage.tokens_in


def test_the_same_vectors_of_texts_alone(served: Running, embedder: Embedder) -> None:
    far = remote(served)
    texts = [*TEXTS, SPECIAL]
    np.testing.assert_allclose(far.encode_document(texts), embedder.encode_document(texts), atol=TOLERANCE)
    np.testing.assert_allclose(far.encode_query(texts), embedder.encode_query(texts), atol=TOLERANCE)
    assert far.similarity(far.encode_query(TEXTS[0]), embedder.encode_document(TEXTS)).shape == (
        1,
        len(TEXTS),
    )


def test_an_address_is_enough(served: Running, embedder: Embedder) -> None:
    with pytest.warns(EndpointWarning, match="easy questions have their answer on top"):
        far = Embedder(url=f"{served.url}/v1")
    np.testing.assert_allclose(far.encode_document(TEXTS), embedder.encode_document(TEXTS), atol=TOLERANCE)


@pytest.mark.parametrize("path", ["/embed", "/v2/embed", "/api/embed"])
@pytest.mark.parametrize("at_hand", [True, False])
def test_every_dialect(
    path: str, at_hand: bool, way: Way, served: Running, embedder: Embedder, embedder_folder: Path
) -> None:
    way.paths = ("/v1/models", path)
    far = remote(served, embedder_folder if at_hand else None)
    assert ("token ids" in far.device) == (at_hand and path == "/embed")
    for text in [*TEXTS, SPECIAL]:
        np.testing.assert_allclose(
            far.encode_query(text), embedder.encode_query(text), atol=TOLERANCE, err_msg=text
        )


def test_many_texts_come_back_in_order(way: Way, served: Running, embedder: Embedder) -> None:
    texts = [f"text {number} " * (number % 7) for number in range(200)]

    def later(request: httpx.Request) -> None:
        time.sleep(len(request.content) % 5 / 100)

    way.fault = later
    far = remote(served, concurrency=8, texts_per_request=7)
    begun = len(way.posts())
    np.testing.assert_allclose(far.encode_document(texts), embedder.encode_document(texts), atol=TOLERANCE)
    assert all(len(json.loads(request.content)["input"]) <= 7 for request in way.posts()[begun:])
    streamed = np.concatenate(list(far.encode_stream(iter(texts))))
    np.testing.assert_allclose(streamed, embedder.encode_document(texts), atol=TOLERANCE)


def test_no_more_requests_than_allowed_are_under_way(way: Way, served: Running) -> None:
    far = remote(served, concurrency=2, texts_per_request=1)
    under_way: list[int] = []
    highest: list[int] = []

    def count(request: httpx.Request) -> None:
        under_way.append(1)
        highest.append(len(under_way))
        time.sleep(0.02)
        under_way.pop()

    way.fault = count
    far.encode_document([f"text {number}" for number in range(12)])
    assert max(highest) == 2


def test_a_busy_server_is_asked_again(way: Way, served: Running, embedder: Embedder) -> None:
    far = remote(served, texts_per_request=2)
    seen: set[bytes] = set()

    def busy(request: httpx.Request) -> httpx.Response | None:
        if request.content in seen:
            return None
        seen.add(request.content)
        return httpx.Response(429, headers={"retry-after": "3"})

    way.fault = busy
    np.testing.assert_allclose(far.encode_document(TEXTS), embedder.encode_document(TEXTS), atol=TOLERANCE)
    assert way.pauses == [3.0] * len(seen)


def test_requests_that_are_too_much_are_divided(way: Way, served: Running, embedder: Embedder) -> None:
    far = remote(served)
    texts = [f"text {number}" for number in range(11)]
    way.fault = lambda request: (
        httpx.Response(413, text="too large") if len(json.loads(request.content)["input"]) > 3 else None
    )
    np.testing.assert_allclose(far.encode_document(texts), embedder.encode_document(texts), atol=TOLERANCE)
    way.fault = lambda request: httpx.Response(413, text="too large")
    with pytest.raises(EndpointError, match=r"a single text is too much for http.*413 too large"):
        far.encode_document("text")


def changed(name: str, value: str | None) -> Callable[[httpx.Response], httpx.Response]:
    def alter(response: httpx.Response) -> httpx.Response:
        headers = {key: each for key, each in response.headers.items() if key != name}
        return httpx.Response(
            response.status_code,
            headers=headers if value is None else {**headers, name: value},
            content=response.content,
        )

    return alter


@pytest.mark.parametrize("later", ["quiver1:other:t:last-token:p:64:float32", None])
def test_another_model_behind_the_address_is_an_error(
    later: str | None, way: Way, served: Running, embedder: Embedder
) -> None:
    far = remote(served)
    way.alter = changed("x-quiver-fingerprint", later)
    with pytest.raises(FingerprintMismatch) as caught:
        far.encode_document(TEXTS)
    assert str(embedder.fingerprint) in str(caught.value)
    assert f"now answers with {later}" in str(caught.value)


def test_a_server_of_another_tokenizer_is_refused(way: Way, served: Running, embedder_folder: Path) -> None:
    way.alter = changed("x-quiver-fingerprint", "quiver1:w:other:last-token:p:64:float32")
    with pytest.raises(EndpointError, match=r"another tokenizer\.json"):
        remote(served, embedder_folder)


def test_special_tokens_in_texts_do_not_reach_a_server_that_may_read_them(
    way: Way, served: Running, embedder: Embedder, embedder_folder: Path
) -> None:
    way.paths, way.alter = ("/v2/embed",), anonymous
    far = remote(served, embedder_folder, served_as=served.opened.embedder_name)
    np.testing.assert_allclose(far.encode_document(TEXTS), embedder.encode_document(TEXTS), atol=TOLERANCE)
    with pytest.raises(InputError, match=r"it holds <\|im_start\|>, <\|im_end\|>, which would become"):
        far.encode_document(SPECIAL)


def test_foreign_vectors_carry_a_fingerprint_of_their_own(
    way: Way, served: Running, embedder: Embedder
) -> None:
    way.alter = anonymous
    far = remote(served)
    assert far.fingerprint != embedder.fingerprint
    assert far.precision == "served"
    assert far.fingerprint == remote(served).fingerprint
    with pytest.raises(FingerprintMismatch):
        far.similarity(far.encode_document(TEXTS), embedder.encode_document(TEXTS))


def vectors_answered(
    vectors: Callable[[list[Any]], Any], tokens: Callable[[list[Any]], int | None] = lambda inputs: None
) -> Callable[[httpx.Request], httpx.Response | None]:
    """A server of another kind, in OpenAI's dialect."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "other"}]})
        inputs = json.loads(request.content)["input"]
        data = [
            {"index": number, "embedding": np.asarray(row).tolist()}
            for number, row in enumerate(vectors(inputs))
        ]
        content = json.dumps({"data": data, "usage": {"prompt_tokens": tokens(inputs)}})
        return httpx.Response(200, content=content)

    return answer


def test_wrong_numbers_are_refused_at_once_and_named(way: Way, embedder: Embedder) -> None:
    def by_batch(inputs: list[str]) -> Any:
        return np.asarray(embedder.encode_document(inputs)) + 0.1 * len(inputs)

    for vectors, named in (
        (lambda inputs: np.full((len(inputs), 8), np.nan), "NaN or infinity"),
        (by_batch, "alone and in a batch differ"),
    ):
        way.fault = vectors_answered(vectors)
        with pytest.raises(EndpointError, match=f"wrong numbers for other: .*{named}"):
            Embedder(url="http://other")


@pytest.mark.parametrize("ids_too", [True, False])
def test_a_server_without_the_end_token_is_named(
    ids_too: bool, way: Way, embedder: Embedder, embedder_folder: Path
) -> None:
    """Where token ids can be sent they carry it, and nothing is wrong."""

    def sequences(inputs: list[Any]) -> list[Any]:
        if any(isinstance(each, list) for each in inputs):
            return [np.asarray(each, dtype=np.int32) for each in inputs]
        # Like most servers, this one reads the end token where it is spelled.
        marked = Embedder(embedder_folder, parse_special_tokens=True)
        return [ids[:-1] for ids in marked.tokenize(inputs)]

    def vectors(inputs: list[Any]) -> Any:
        return normalize(embedder.forward(sequences(inputs))[0])

    def refusing(request: httpx.Request) -> httpx.Response | None:
        is_ids = request.method == "POST" and isinstance(json.loads(request.content)["input"][0], list)
        return httpx.Response(400, text="texts only") if is_ids and not ids_too else answer(request)

    answer = vectors_answered(vectors, lambda inputs: sum(map(len, sequences(inputs))))
    way.fault = refusing
    if not ids_too:
        with pytest.raises(EndpointError, match=r"counts \d+ tokens where .* has \d+: no end token"):
            with pytest.warns(EndpointWarning):
                Embedder(embedder_folder, url="http://other")
        return
    with pytest.warns(EndpointWarning, match="easy questions"):
        far = Embedder(embedder_folder, url="http://other")
    np.testing.assert_allclose(far.encode_query(TEXTS), embedder.encode_query(TEXTS), atol=TOLERANCE)


def test_another_model_than_the_one_that_is_named_is_refused(
    way: Way, served: Running, embedder: Embedder, embedder_folder: Path
) -> None:
    def pooled_first(inputs: list[Any]) -> Any:
        if isinstance(inputs[0], list):
            return normalize(embedder.forward([np.asarray(ids[:1], np.int32) for ids in inputs])[0])
        return np.asarray(embedder.encode_document(inputs))

    way.fault = vectors_answered(pooled_first)
    with pytest.raises(EndpointError, match=r"token ids of .* and their text give different vectors"):
        Embedder(embedder_folder, url="http://other")
    way.fault = vectors_answered(lambda inputs: np.ones((len(inputs), 7)))
    with pytest.raises(EndpointError, match="7 dimensions where the model has 64"):
        Embedder(embedder_folder, url="http://other")


def test_vectors_that_turn_out_to_be_no_numbers(way: Way) -> None:
    way.fault = vectors_answered(lambda inputs: np.full((len(inputs), 8), np.nan))
    far = Embedder(backend=Remote(url="http://other", check=False))
    with pytest.raises(NumericalError, match="text 0 gave a vector that is not finite"):
        far.encode_document("a")


def test_a_key_is_sent_and_never_told(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.fault = lambda request: httpx.Response(
        400, text=f"bad request, headers {request.headers['authorization']}"
    )
    keys: list[dict[str, Any]] = [{"api_key": "k-secret"}, {"api_key_env": "THEIR_KEY"}]
    for given in keys:
        monkeypatch.setenv("THEIR_KEY", "k-secret")
        settings = Remote(url="http://user:k-pass@other", **given)
        with pytest.raises(EndpointError, match=r"headers (Bearer|Basic)") as caught:
            Embedder(backend=settings)
        assert "k-secret" not in str(caught.value) + repr(settings)
        assert "k-pass" not in str(caught.value) + repr(settings)


def test_looking_costs_few_requests(way: Way, served: Running, embedder_folder: Path) -> None:
    for model, most in ((None, 3), (embedder_folder, 6)):
        way.requests.clear()
        with pytest.warns(EndpointWarning):
            Embedder(model, url=served.url)
        assert len(way.posts()) <= most


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"device": "cuda"}, "device is for the server to decide"),
        ({"dtype": "int8"}, "dtype is for the server to decide"),
        ({"max_length": 5}, "count tokens, which are the server's here"),
        ({"on_too_long": "truncate"}, "count tokens, which are the server's here"),
        ({"backend": "torch"}, "give a url or a backend, not both"),
    ],
)
def test_what_a_server_decides_is_not_asked_for(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embedder(url="http://other", **given)


def test_what_needs_the_files_says_so(served: Running) -> None:
    far = remote(served)
    for use in (
        lambda: far.checkpoint,
        lambda: far.tokenize(["a"]),
        lambda: far.pieces(["a"]),
        lambda: far.count_tokens,
        lambda: far.prepare_tokens([[1]]),
        lambda: far.prepare_document(["a"], max_length=3),
    ):
        with pytest.raises(InputError, match="name"):
            use()


def test_limits_count_tokens_where_they_are_known(
    way: Way, served: Running, embedder: Embedder, embedder_folder: Path
) -> None:
    settings = Remote(url=served.url, check=False)
    short = Embedder(embedder_folder, backend=settings, max_length=6, on_too_long="truncate")
    expected = Embedder(embedder_folder, dtype="float32", max_length=6, on_too_long="truncate")
    found = short.encode_document(TEXTS)
    np.testing.assert_allclose(found, expected.encode_document(TEXTS), atol=TOLERANCE)
    assert [cut.index for cut in found.cuts] == [cut.index for cut in expected.encode_document(TEXTS).cuts]
    with pytest.raises(TooLongError):
        Embedder(embedder_folder, backend=settings, max_length=6).encode_document(TEXTS)
    way.paths = ("/v2/embed",)
    texts_only = Remote(url=served.url, check=False, served_as=served.opened.embedder_name)
    with pytest.raises(InputError, match="cannot be cut exactly"):
        Embedder(embedder_folder, backend=texts_only, max_length=6, on_too_long="truncate")
