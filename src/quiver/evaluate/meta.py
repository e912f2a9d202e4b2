"""Meta: what an evaluation folder says about itself in ``meta.json``."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiver.errors import InputError
from quiver.evaluate.lines import check_text

LANGUAGE = re.compile(r"[\w:-]+")
"""Languages of bitext sets become file names, which must not lead out of the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Type, metric and instruction of a set."""

    folder: Path
    name: str
    type: str
    metric: str
    """The score that the set is known by, such as ``ndcg@10``."""
    instruction: str | None
    """The task in one sentence, which stands before queries."""
    languages: Sequence[str] = ()

    def file(self, name: str) -> Path:
        """The path of one of the folder's files."""
        return self.folder / name


def read_meta(folder: Path) -> Meta:
    """Read and check a folder's ``meta.json``; raises InputError."""
    path = folder / "meta.json"
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{folder} is no evaluation folder: it has no meta.json; name the folders themselves, "
            "such as sets/stsb-en or sets/*"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is malformed: {error}") from error
    if not isinstance(known, dict):
        raise InputError(f"{path}: not an object with fields")
    return Meta(
        folder=folder,
        name=_required(known, "name", path),
        type=_required(known, "type", path),
        metric=_required(known, "main_metric", path),
        instruction=check_text(known.get("instruction", ""), "instruction", str(path)).strip() or None,
        languages=_languages(known.get("languages", []), path),
    )


def data_digest(folder: Path) -> str:
    """Identity of a folder's content: a digest of its files' names and bytes."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        whole.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]


def _required(known: dict[str, Any], name: str, path: Path) -> str:
    text = check_text(known.get(name), name, str(path))
    if not text.strip():
        raise InputError(f"{path}: {name!r} is empty")
    return text


def _languages(value: object, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError(f"{path}: 'languages' must be a list of texts")
    languages = tuple(check_text(language, "languages", str(path)) for language in value)
    for language in languages:
        if not LANGUAGE.fullmatch(language):
            raise InputError(f"{path}: {language!r} is not the name of a language")
    return languages
