"""milvus-lite: a server within this process for a file, which takes one process at a time.

pymilvus starts it by itself, and leaves it until the process ends; here it ends with its last client.
"""

import fcntl
import threading
from collections import Counter
from pathlib import Path

GUARD = threading.Lock()
USERS: Counter[Path] = Counter()


def enter(file: Path) -> None:
    """One client more; raises BlockingIOError if another process has the file open."""
    with GUARD:
        path = file.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not USERS[path] and (path / "LOCK").exists():
            with (path / "LOCK").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        USERS[path] += 1


def leave(file: Path) -> None:
    """One client less."""
    from milvus_lite.server_manager import server_manager_instance

    with GUARD:
        path = file.resolve()
        USERS[path] -= 1
        if not USERS[path]:
            server_manager_instance.release_server(str(path))
