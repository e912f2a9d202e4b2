"""A chat endpoint on this machine that says what a test wants."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from quiver.train.query_writing import CHOOSE


@dataclass(frozen=True)
class Reply:
    """What goes over the wire."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Promise more bytes than come."""


@dataclass(frozen=True)
class Question:
    """One request, as the model would see it."""

    system: str
    fields: dict[str, Any]
    raw: str
    key: str
    model: str

    @property
    def is_choice(self) -> bool:
        return self.system == CHOOSE

    @property
    def passage(self) -> str:
        return str(self.fields["passage"])


def completion(content: str | None) -> Reply:
    message = {"role": "assistant", "content": content}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return Reply(json.dumps(body).encode())


def good(question: Question) -> Reply:
    """What an obedient model says."""
    if question.is_choice:
        return completion('{"reader": 1, "type": "fact", "difficulty": "school"}')
    return completion(json.dumps({"query": f"where is {question.passage[:20]}?"}))


def failure(status: int, message: str = "out of order", **headers: str) -> Reply:
    return Reply(json.dumps({"error": {"message": message}}).encode(), status, headers)


class Endpoint:
    """The questions so far, and how they are answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Callable[[Question], Reply] = good
        self.questions: list[Question] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def reply(self, question: Question) -> Reply:
        with self._lock:
            self.questions.append(question)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(question)
        finally:
            with self._lock:
                self._at_once -= 1


class QuietServer(ThreadingHTTPServer):
    """Clients that go away leave no traceback in what tests read."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            system, user = (message["content"] for message in body["messages"])
            key = self.headers["Authorization"].removeprefix("Bearer ")
            reply = endpoint.reply(Question(system, json.loads(user), user, key, body["model"]))
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(reply.body) + 10 * reply.cut))
                self.end_headers()
                self.wfile.write(reply.body)
            except (BrokenPipeError, ConnectionResetError):
                reply = Reply(b"", cut=True)  # the client was killed
            self.close_connection = self.close_connection or reply.cut

        def log_message(self, format: str, *args: object) -> None:
            """Keep silent."""

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()
