"""Reader: passages of many files, cut in processes of their own beside the embedding.

A file can break the program that parses it: by a crash, without end, or by taking all memory. Each of these
ends a reading process and not the run: the file is skipped, with the reason, and a new process reads on. The
processes are started afresh (no fork of a process that has threads), without the caller's script.
"""

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from quiver.errors import QuiverError, UnreadableFile
from quiver.search.corpus import Corpus, CountTokens
from quiver.search.passages import Passage, Skipped, SourceFile

SECONDS_A_FILE = 120.0
"""A file that takes longer to read is skipped."""
MEMORY_A_PROCESS = 4 * 2**30
"""Address space in bytes; a file that needs more is skipped."""
FILES_AHEAD = 32
"""Files that are read before they are asked for."""


READY = None
"""What a reading process says when it understands its assignment."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a reading process needs to know."""

    corpus: Corpus
    count_tokens: CountTokens
    max_tokens: int


ReadFile = tuple[SourceFile, list[Passage] | Skipped]


def read_files(
    files: Iterable[SourceFile],
    assignment: Assignment,
    *,
    processes: int = 1,
    seconds_a_file: float = SECONDS_A_FILE,
) -> Generator[ReadFile, None, None]:
    """Each file with its passages, or with the reason why it has none, in the order of the files."""
    readers = [_ReadingProcess(assignment, seconds_a_file) for _ in range(processes)]
    idle = deque(readers)

    def read(file: SourceFile) -> ReadFile:
        reader = idle.popleft()
        try:
            return file, reader.read(file)
        finally:
            idle.append(reader)

    with ThreadPoolExecutor(processes, thread_name_prefix="reader") as pool:
        try:
            under_way: deque[Future[ReadFile]] = deque()
            for file in files:
                under_way.append(pool.submit(read, file))
                if len(under_way) > FILES_AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for reader in readers:
                reader.stop()


class _ReadingProcess:
    """A process that reads one file at a time, and is replaced when a file ends it."""

    def __init__(self, assignment: Assignment, seconds_a_file: float) -> None:
        self._assignment = assignment
        self._seconds = seconds_a_file
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, file: SourceFile) -> list[Passage] | Skipped:
        if self._process is None:
            self._process = self._start()
        process = self._process
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        alarm = threading.Timer(self._seconds, end)
        alarm.start()
        try:
            _send(process.stdin, file)
            answer: list[Passage] | str = _receive(process.stdout)
        except (OSError, EOFError):
            return Skipped(file.path, self._bury(late.is_set()))
        finally:
            alarm.cancel()
        return Skipped(file.path, answer) if isinstance(answer, str) else answer

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._bury(late=False)

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", "from quiver.search.reader import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            _send(process.stdin, self._assignment)
            answer = _receive(process.stdout)
        except (OSError, EOFError):
            answer = "it died"
        if answer is not READY:
            process.kill()
            process.communicate()
            raise QuiverError(f"no process that reads files can be started: {answer}")
        return process

    def _bury(self, late: bool) -> str:
        """Take leave of a process that died over a file, and say of what."""
        process, self._process = self._process, None
        if process is None:
            return "the reading was stopped"
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        code = process.wait()
        if late:
            return f"reading it took longer than {self._seconds:g} seconds"
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the process that read it died ({name})"


def serve() -> None:
    """Answer a parent's files with passages, until it goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_A_PROCESS, MEMORY_A_PROCESS))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # A parser that prints must not spoil the answers.
    with suppress(EOFError, BrokenPipeError):
        try:
            assignment: Assignment = _receive(sys.stdin.buffer)
        except (AttributeError, ImportError) as error:
            _send(answers, f"{error}; a corpus must be importable, not part of the running script")
            return
        _send(answers, READY)
        while True:
            _send(answers, _answer(assignment, _receive(sys.stdin.buffer)))


def _answer(assignment: Assignment, file: SourceFile) -> list[Passage] | str:
    try:
        passages = assignment.corpus.read(file, assignment.count_tokens, assignment.max_tokens)
        for passage in passages:
            _check_storable(passage)
        return passages
    except UnreadableFile as error:
        return str(error)
    except MemoryError:
        return "reading it takes too much memory"
    except Exception as error:  # A hostile file must not stop the run.
        return f"{type(error).__name__}: {error}"


def _check_storable(passage: Passage) -> None:
    """Raise ValueError for what no database and no tokenizer takes, such as half a character."""
    parts = [passage.text, passage.title, passage.headings, dict(passage.metadata)]
    json.dumps(parts, ensure_ascii=False).encode()


def _send(stream: IO[bytes] | None, value: object) -> None:
    if stream is None:
        raise EOFError
    pickle.dump(value, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def _receive(stream: IO[bytes] | None) -> Any:  # noqa: ANN401  (whatever was sent)
    if stream is None:
        raise EOFError
    try:
        return pickle.load(stream)
    except pickle.UnpicklingError as error:
        raise EOFError from error
