"""``quiver serve`` as a process of its own."""

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from quiver.models import catalog
from tests.cli.conftest import Shell, process


def started(running: "subprocess.Popen[bytes]") -> str:
    """What the server says when it begins."""
    assert running.stderr is not None
    return running.stderr.readline().decode()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_both_shipped_models_a_key_and_an_alias(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    port = free_port()
    arguments = ("serve", "--port", port, "--api-keys-file", tmp_path / "keys", "--alias", "ada")
    with process(*arguments, module="quiver") as running:
        said = started(running)
        assert re.fullmatch(
            r"self-test passed; serving \S+-embedding-mini and \S+-reranker-mini on .*\n", said
        )
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        body, headers = {"model": "ada", "input": "Hello"}, {"authorization": "Bearer secret"}
        assert httpx.post(f"{url}/v1/embeddings", json=body).status_code == 401
        assert httpx.post(f"{url}/v1/embeddings", json=body, headers=headers).status_code == 200
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (143, b"", b"")


def test_one_model_of_a_folder() -> None:
    port = free_port()
    folder = catalog.BUILTIN_FOLDER / catalog.BUILTIN_RERANKER
    with process(
        "serve", "--reranker", folder, "--port", port, "--host", "0.0.0.0", module="quiver"
    ) as running:
        assert "serving quiver-reranker-mini on http://0.0.0.0" in started(running)
        assert "no API key is set" in started(running)
        wait_for(f"http://127.0.0.1:{port}")
        assert httpx.get(f"http://127.0.0.1:{port}/info").json()["embedder"] is None
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    assert running.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--index", "nowhere"], "there is no index in nowhere"),
        (["--api-keys-file", "nowhere"], "the file of API keys nowhere cannot be read"),
        (["--api-key", "two words"], "printable ASCII"),
        (["--embedder", "./nowhere"], "nowhere"),
    ],
)
def test_mistakes(shell: Shell, arguments: list[str], words: str) -> None:
    run = shell("serve", *arguments)
    assert (run.code, run.out) == (1, "")
    assert words in run.err


def test_a_port_that_is_taken(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = shell("serve", "--port", taken.getsockname()[1])
    assert run.code == 1
    assert "Address already in use; choose another one" in run.err
