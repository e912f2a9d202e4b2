from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from quiver.server.pages import add_pages


def test_the_playground_and_its_files(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>Playground</title>")
    (tmp_path / "page.js").write_text("go()")
    app = FastAPI()
    add_pages(app, tmp_path)
    client = TestClient(app)
    assert "Playground" in client.get("/").text
    assert client.get("/").headers["content-security-policy"] == "default-src 'self'"
    assert client.get("/playground/page.js").text == "go()"
    assert client.get("/playground/../keys").status_code == 404


def test_a_server_without_pages(tmp_path: Path) -> None:
    app = FastAPI()
    add_pages(app, tmp_path)
    assert TestClient(app).get("/").status_code == 404
