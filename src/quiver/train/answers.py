"""Answers: what a chat endpoint said, kept in a file as it comes, so that nothing is paid for twice."""

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Self

from quiver.errors import InputError

LINE_BEGINS = b'{"request": "'


class AnswerFile:
    """Answers by request: JSONL of ``{"request", "answer"}``, one line appended for each answer.

    A request is known by the digest of its parts, so that other documents, prompts, models or settings are
    other requests. A line that a killed process left half written is dropped.
    """

    def __init__(self, path: str | Path) -> None:
        """Open or create; raises InputError if the file is no file of answers or cannot be used."""
        self.path = Path(path)
        self.bought = 0
        """Answers added through this object."""
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
            whole = content.rfind(b"\n") + 1
            self._answers = dict(self._parse(line) for line in content[:whole].splitlines())
            rest = content[whole:]
            if not (rest.startswith(LINE_BEGINS) or LINE_BEGINS.startswith(rest)):
                raise self._foreign()
            self._stream = self.path.open("ab")
            self._stream.truncate(whole)
        except OSError as error:
            raise InputError(f"{self.path} cannot be used for answers: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, request: str) -> str | None:
        """The answer to a request, if it is known."""
        return self._answers.get(request)

    def add(self, request: str, answer: str) -> None:
        """Remember an answer, on disk before this returns."""
        line = json.dumps({"request": request, "answer": answer})
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        self._answers[request] = answer
        self.bought += 1

    def _parse(self, line: bytes) -> tuple[str, str]:
        try:
            record = json.loads(line)
            request, answer = record["request"], record["answer"]
        except (ValueError, TypeError, KeyError) as error:
            raise self._foreign() from error
        if not isinstance(request, str) or not isinstance(answer, str):
            raise self._foreign()
        return request, answer

    def _foreign(self) -> InputError:
        return InputError(f"{self.path} holds something else than answers; name another file")


def request_digest(*parts: str) -> str:
    """A name for a request, 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
