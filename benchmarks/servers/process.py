"""A server as a process of its own, started for a checkpoint and stopped politely."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.command import BenchmarkError
from benchmarks.endurance import resident_bytes

MODEL = "benchmark"
"""What clients call the model, whoever serves it."""
START_SECONDS = 240.0
STOP_SECONDS = 30.0
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
"""No look at hubs, no reports to anyone, and 1 GiB for vLLM's cache, which would take most of the memory."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at ``url`` with OpenAI's embeddings."""

    name: str
    url: str
    pid: int

    @property
    def resident(self) -> int:
        """Bytes of memory of its main process."""
        return resident_bytes(self.pid)


def command(name: str, python: str, folder: Path | None, dtype: str, port: int) -> tuple[list[str], str]:
    """How a server is started, and the path of its embeddings."""
    model = str(folder)
    if name == "quiver":
        embedder = "builtin" if folder is None else model
        options = ["--embedder", embedder, "--alias", MODEL, "--dtype", dtype, "--port", str(port)]
        return [python, "-m", "quiver", "serve", "--max-in-flight", "512", *options], "/v1/embeddings"
    if name == "vllm":
        options = ["--model", model, "--served-model-name", MODEL, "--dtype", dtype, "--port", str(port)]
        fixed = ["--runner", "pooling", "--enforce-eager", "--max-model-len", "4096", "--host", "127.0.0.1"]
        return [python, "-m", "vllm.entrypoints.openai.api_server", *fixed, *options], "/v1/embeddings"
    if name == "infinity":
        options = ["--model-id", model, "--served-model-name", MODEL, "--dtype", dtype, "--port", str(port)]
        fixed = ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--host", "127.0.0.1"]
        return [str(Path(python).parent / "infinity_emb"), "v2", *fixed, *options], "/embeddings"
    raise BenchmarkError(f"there is no server named {name}: quiver, vllm, infinity")


@contextmanager
def serving(
    name: str, python: str = sys.executable, folder: Path | None = None, dtype: str = "auto", threads: int = 2
) -> Iterator[Server]:
    """Start a server and wait until it embeds; raises BenchmarkError if it does not."""
    port = _free_port()
    arguments, path = command(name, python, folder, dtype, port)
    environment = os.environ | ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                arguments, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        except OSError as error:
            raise BenchmarkError(f"{arguments[0]} does not start: {error.strerror}") from error
        try:
            server = Server(name, f"http://127.0.0.1:{port}{path}", process.pid)
            _wait(server, process)
            yield server
        except BenchmarkError as error:
            log.seek(0)
            last = log.read().decode(errors="replace").splitlines()[-5:]
            raise BenchmarkError("\n".join([str(error), *last])) from error
        finally:
            _stop(process)


def ask(client: httpx.Client, server: Server, texts: Sequence[str]) -> list[list[float]]:
    """Vectors of texts."""
    response = client.post(server.url, json={"model": MODEL, "input": list(texts)}, timeout=START_SECONDS)
    response.raise_for_status()
    return [each["embedding"] for each in response.json()["data"]]


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    with httpx.Client() as client:
        while time.monotonic() < until and process.poll() is None:
            try:
                ask(client, server, ["Hello"])
            except httpx.HTTPError:
                time.sleep(0.5)
            else:
                return
    raise BenchmarkError(f"the server of {server.name} does not answer; its last lines:")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The server, and what it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
