import json
import re

from quiver.server.models import OpenedModels
from quiver.server.settings import Settings
from tests.server.running import Running, running

SECRET = "Nobody shall read this sentence in a log."


def figure(text: str, name: str, **labels: str) -> float:
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^{re.escape(f'{name}{{{shown}}}')} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_what_was_asked_is_counted_by_route_and_model(opened: OpenedModels) -> None:
    with running(opened) as server:
        for _ in range(3):
            server.post("/v1/embeddings", {"input": ["one", "two"]})
        server.post("/v1/embeddings", {"input": 7})
        text = server.get("/metrics").text
    assert figure(text, "quiver_requests_total", route="/v1/embeddings", status="200") == 3
    assert figure(text, "quiver_requests_total", route="/v1/embeddings", status="400") == 1
    assert figure(text, "quiver_request_seconds_count", route="/v1/embeddings") == 4
    assert figure(text, "quiver_engine_calls_total", model="embedder") == 3
    computed = figure(text, "quiver_engine_tokens_computed_total", model="embedder")
    assert 0 < computed <= figure(text, "quiver_engine_tokens_in_total", model="embedder")
    assert figure(text, "quiver_queue_requests", model="embedder") == 0


def test_paths_that_clients_make_up_do_not_become_labels(server: Running) -> None:
    server.get("/made-up-1")
    text = server.get("/metrics").text
    assert "made-up" not in text
    assert figure(text, "quiver_requests_total", route="unknown", status="404") >= 1


def test_metrics_need_a_key_where_requests_do(opened: OpenedModels) -> None:
    with running(opened, Settings(api_keys=["arrow"])) as server:
        assert server.get("/metrics").status_code == 401
        assert server.get("/metrics", authorization="Bearer arrow").status_code == 200


def test_a_line_of_json_a_request_without_texts_and_keys(opened: OpenedModels) -> None:
    lines: list[str] = []
    with running(opened, Settings(api_keys=["arrow"], write_line=lines.append)) as server:
        server.post("/v1/embeddings", {"input": SECRET}, authorization="Bearer arrow")
        server.post(f"/v1/{SECRET[:6]}", {}, authorization="Bearer arrow")
    first, second = map(json.loads, lines)
    assert (first["method"], first["route"], first["status"]) == ("POST", "/v1/embeddings", 200)
    assert second["route"] == "unknown"
    assert not any(part in line for line in lines for part in (SECRET, SECRET[:6], "arrow", "127.0.0.1"))


def test_other_sites_pages_are_let_in_only_by_name(opened: OpenedModels) -> None:
    asked = {"origin": "https://site.example", "access-control-request-method": "POST"}
    with running(opened, Settings(allowed_origins=["https://site.example"])) as server:
        assert server.get("/ready", **asked).headers["access-control-allow-origin"] == "https://site.example"
    with running(opened) as server:
        assert "access-control-allow-origin" not in server.get("/ready", **asked).headers
