"""Home: the folder ``.quiver`` of an index, in the folder where it was made; found from there and from below.

.quiver/home.json     which generation holds, and what was indexed
.quiver/1/            a store, unless that is elsewhere (``places``); a rebuild makes the next one beside it
.quiver/.gitignore    keeps all this out of repositories
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quiver.errors import StoreError
from quiver.search.places import LancePlace, Place, place_of
from quiver.whole_file import write_whole

HOME_NAME = ".quiver"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHome:
    """Where an index lives, and what it is an index of."""

    folder: Path
    generation: int = 1
    roots: tuple[str, ...] = ()
    """Files and folders that were indexed, relative to ``base`` if they lie below it."""
    address: str | None = None
    """Where the store is (``places``), if not in this folder."""

    @property
    def base(self) -> Path:
        """The folder that paths are relative to."""
        return self.folder.parent

    @property
    def store(self) -> Place:
        """The store that searches read."""
        return self._place(self.generation)

    @property
    def next_store(self) -> Place:
        """The store that a rebuild writes."""
        return self._place(self.generation + 1)

    def _place(self, generation: int) -> Place:
        if self.address is None:
            return LancePlace(self.folder / str(generation))
        return place_of(self.address, generation)

    def name_of(self, location: Path) -> str:
        """How the index calls a place: relative to ``base`` if it lies below it, else absolute."""
        absolute = location.resolve()
        base = self.base.resolve()
        return (absolute.relative_to(base) if absolute.is_relative_to(base) else absolute).as_posix()

    def with_roots(self, locations: Iterable[Path]) -> "IndexHome":
        """The home with more roots, written down; a root inside another one is left out."""
        named = sorted({*self.roots, *map(self.name_of, locations)})
        kept = [name for name in named if not any(is_below(name, other) for other in named if other != name)]
        return replace(self, roots=tuple(kept))._written()

    def with_next_generation(self) -> "IndexHome":
        """The home after a rebuild: the new store holds, and the old one is removed."""
        after = replace(self, generation=self.generation + 1)._written()
        self.store.drop()
        return after

    def _written(self) -> "IndexHome":
        content: dict[str, Any] = {"format": FORMAT, "generation": self.generation, "roots": self.roots}
        if self.address is not None:
            content["store"] = self.address
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / ".gitignore", ["*\n"])
            write_whole(self.folder / "home.json", [json.dumps(content, indent=1), "\n"])
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written: {error.strerror or error}") from error
        return self


def open_home(folder: Path) -> IndexHome | None:
    """The index in a folder, None if there is none; raises StoreError if it is damaged."""
    path = folder / "home.json"
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {content['format']!r}; this version of Quiver reads {FORMAT}"
            )
        return IndexHome(
            folder=folder,
            generation=int(content["generation"]),
            roots=tuple(content["roots"]),
            address=content.get("store"),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged: {error}; remove {folder} and index again") from error


def find_home(start: Path) -> IndexHome | None:
    """The nearest index, in the folder or in one above it."""
    for folder in (start.resolve(), *start.resolve().parents):
        found = open_home(folder / HOME_NAME)
        if found is not None:
            return found
    return None


def is_below(name: str, root: str) -> bool:
    """Whether a place is the root or lies in it."""
    if root == ".":
        return not name.startswith("/")
    return name == root or name.startswith(root.rstrip("/") + "/")
