"""The command as its own process: workers that die, and requests under way when it is told to stop."""

import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from quiver.errors import InputError
from quiver.server.run import Certificate
from tests.server.running import wait_until

LONG = ["A few words " * 2000] * 50
TEXTS = [f"A sentence about arrows, number {number}. " * 8 for number in range(8)]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "quiver", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        announced = re.search(r"https?://\S+", process.stderr.readline())
        assert announced is not None
        url = announced[0]
        wait_until(lambda: is_ready(url))
        yield process, url
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", verify=False).status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str) -> int:
    answer = httpx.post(f"{url}/v1/embeddings", json={"input": TEXTS}, timeout=60)
    assert answer.status_code != 200 or len(answer.json()["data"]) == len(TEXTS)
    return answer.status_code


def children_of(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True
    )
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, command in lines if "spawn_main" in command]


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_every_accepted_request_is_answered_when_the_server_is_told_to_stop(options: tuple[str, ...]) -> None:
    """Clients ask without a pause, until they are told that the server is stopping, or find it gone."""
    stopped = threading.Event()

    def client(url: str) -> int:
        status = 200
        with httpx.Client(base_url=url, timeout=60) as session:
            try:
                while status == 200:
                    status = session.post("/v1/embeddings", json={"input": TEXTS}).status_code
            except httpx.ConnectError:
                status = 503
        assert stopped.is_set()
        return status

    with serving(*options) as (process, url), ThreadPoolExecutor(16) as pool:
        clients = [pool.submit(client, url) for _ in range(16)]
        time.sleep(2)
        stopped.set()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        assert {each.result() for each in clients} == {503}


def test_a_server_that_stops_says_so() -> None:
    with serving() as (process, url), httpx.Client(base_url=url) as kept, ThreadPoolExecutor(1) as pool:
        assert kept.get("/ready").json() == {"status": "ready"}
        long = pool.submit(lambda: httpx.post(f"{url}/v1/embeddings", json={"input": LONG}, timeout=60))
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: kept.get("/ready").json() == {"status": "draining"})
        refused = httpx.post(f"{url}/v1/embeddings", json={"input": "Hello"})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "draining"
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        assert long.result().status_code == 200
        process.wait(timeout=60)


def test_a_worker_that_dies_comes_back_and_others_go_on() -> None:
    with serving("--workers", "2") as (process, url):
        wait_until(lambda: len(children_of(process.pid)) == 2)
        wait_until(lambda: ask(url) == 200)
        first, second = children_of(process.pid)
        time.sleep(2)
        os.kill(first, signal.SIGKILL)
        assert all(ask(url) == 200 for _ in range(10))
        wait_until(lambda: len(set(children_of(process.pid)) - {first}) == 2)
        assert second in children_of(process.pid)
        metrics = httpx.get(f"{url}/metrics").text
        assert re.search(r'quiver_requests_total\{route="/v1/embeddings",status="200"\} 1\d', metrics)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_workers_end_with_a_parent_that_was_killed() -> None:
    with serving("--workers", "2") as (process, url):
        wait_until(lambda: len(children_of(process.pid)) == 2)
        wait_until(lambda: ask(url) == 200)
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        assert not is_ready(url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {chain} "
        "-addext subjectAltName=IP:127.0.0.1".split(),
        check=True,
        capture_output=True,
    )
    return Certificate(chain, key)


def test_https(certificate: Certificate) -> None:
    files = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    with serving(*files) as (_, url):
        assert url.startswith("https://")
        trusting = ssl.create_default_context(cafile=certificate.chain)
        assert httpx.get(f"{url}/ready", verify=trusting).json() == {"status": "ready"}


def test_a_certificate_that_is_none_is_refused(certificate: Certificate, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(InputError, match="no usable certificate"):
        Certificate(nonsense, certificate.key).check()
    with pytest.raises(InputError, match="No such file"):
        Certificate(tmp_path / "absent.pem", certificate.key).check()
