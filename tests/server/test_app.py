"""What surrounds every dialect: keys, room, time, and clients that go away."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from quiver import Embedder
from quiver.engine.execute import OneStep, Steps
from quiver.server.models import OpenedModels
from quiver.server.settings import Limits, Settings
from quiver.text.tokenizer import TokenIds
from tests.server.running import Running, running, wait_until


class HeldEmbedder(Embedder):
    """Computes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go = threading.Event(), threading.Event()
        self.sequences = 0

    def steps(self, sequences: Sequence[TokenIds], step_tokens: int | None = None) -> Steps | OneStep:
        self.began.set()
        assert self.go.wait(30)
        self.sequences += len(sequences)
        return super().steps(sequences, step_tokens)


@pytest.fixture
def held() -> Iterator[HeldEmbedder]:
    embedder = HeldEmbedder()
    yield embedder
    embedder.go.set()


def embed(server: Running, text: str = "Hello", **headers: str) -> httpx.Response:
    return server.post("/v1/embeddings", {"input": text}, **headers)


def test_alive_and_ready(server: Running) -> None:
    assert (server.get("/health").status_code, server.get("/health").json()) == (200, {"status": "alive"})
    assert (server.get("/ready").status_code, server.get("/ready").json()) == (200, {"status": "ready"})


def test_paths_and_methods_that_are_not_there(server: Running) -> None:
    response = server.post("/predict", {})
    assert response.status_code == 404
    assert "POST /predict" in response.json()["error"]["message"]
    assert server.get("/v1/embeddings").status_code == 405


@pytest.fixture(scope="module")
def locked(opened: OpenedModels) -> Iterator[Running]:
    with running(opened, Settings(api_keys=["first", "second"])) as started:
        yield started


class TestKeys:
    @pytest.mark.parametrize(
        "headers", [{"authorization": "Bearer first"}, {"x_api_key": "second"}, {"api_key": "first"}]
    )
    def test_any_of_them_opens(self, locked: Running, headers: dict[str, str]) -> None:
        assert embed(locked, **headers).status_code == 200
        assert locked.get("/info", **headers).status_code == 200

    @pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer third"}, {"x_api_key": ""}])
    def test_nothing_else_does(self, locked: Running, headers: dict[str, str]) -> None:
        response = embed(locked, **headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert "third" not in response.text

    def test_health_is_open(self, locked: Running) -> None:
        assert locked.get("/health").status_code == locked.get("/ready").status_code == 200

    def test_every_other_route_is_not(self, locked: Running) -> None:
        paths = locked.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            if path in ("/health", "/ready"):
                continue
            for method in methods:
                response = httpx.request(method, locked.url + path.replace("{name}", "x"), json={})
                assert response.status_code == 401, path

    def test_a_client(self, locked: Running) -> None:
        with openai.OpenAI(base_url=f"{locked.url}/v1", api_key="second") as client:
            client.embeddings.create(model="quiver-embedding-mini", input="Hello")
        with (
            openai.OpenAI(base_url=f"{locked.url}/v1", api_key="third") as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.embeddings.create(model="quiver-embedding-mini", input="Hello")


def test_a_client_has_only_so_many_requests_under_way(held: HeldEmbedder) -> None:
    limits = Limits(in_flight_per_key=2)
    opened = OpenedModels(embedder=held)
    with (
        running(opened, Settings(limits=limits, api_keys=["a", "b"])) as server,
        ThreadPoolExecutor(3) as pool,
    ):
        first = [pool.submit(embed, server, f"text {n}", x_api_key="a") for n in range(2)]
        time.sleep(0.5)
        refused = embed(server, "more", x_api_key="a")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        other = pool.submit(embed, server, "other", x_api_key="b")
        time.sleep(0.2)
        assert not other.done()
        held.go.set()
        assert [each.result().status_code for each in (*first, other)] == [200, 200, 200]
        assert embed(server, "again", x_api_key="a").status_code == 200


def test_an_answer_that_comes_too_late_is_not_waited_for(held: HeldEmbedder) -> None:
    with running(OpenedModels(embedder=held), Settings(limits=Limits(deadline_seconds=0.3))) as server:
        begun = time.monotonic()
        response = embed(server)
        assert response.status_code == 504
        assert time.monotonic() - begun < 10
        assert server.get("/health").status_code == 200
        held.go.set()


def test_a_client_that_goes_away_takes_its_work_along(held: HeldEmbedder) -> None:
    limits = Limits(in_flight_per_key=2)
    with (
        running(OpenedModels(embedder=held), Settings(limits=limits)) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(embed, server, "stays")
        assert held.began.wait(30)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/embeddings", json={"input": "goes"}, timeout=0.3)
        wait_until(lambda: 'status="499"' in server.get("/metrics").text)
        held.go.set()
        assert first.result().status_code == 200
        assert embed(server, "comes").status_code == 200
        assert held.sequences == 2


def test_a_server_without_models_says_so(server: Running) -> None:
    with running(OpenedModels(embedder=server.embedder)) as bare:
        response = bare.post("/v2/rerank", {"query": "x", "documents": ["y"]})
        assert response.status_code == 404
        assert "--reranker" in response.json()["message"]
        assert bare.get("/info").json()["reranker"] is None
    with running(OpenedModels(reranker=server.reranker)) as bare:
        assert "--embedder" in bare.post("/embed", {"inputs": "x"}).json()["error"]
        assert bare.get("/info").json()["model_id"] == "quiver-reranker-mini"
        assert bare.get("/api/tags").json() == {"models": []}


def test_results_may_be_kept_for_later_requests(held: HeldEmbedder) -> None:
    held.go.set()
    with running(OpenedModels(embedder=held), Settings(cache_bytes=1 << 20)) as server:
        first, again = embed(server), embed(server)
    assert first.json()["data"] == again.json()["data"]
    assert (again.headers["x-quiver-tokens-computed"], held.sequences) == ("0", 1)
