"""Info file: what an index was created with, as JSON."""

import dataclasses
import json
from typing import Any

from quiver.errors import StoreError
from quiver.models.fingerprint import Fingerprint
from quiver.search.store import FORMAT, IndexInfo


def write_info(info: IndexInfo) -> str:
    """The JSON of what an index was created with."""
    record: dict[str, Any] = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
    return json.dumps(record | {"fingerprint": str(info.fingerprint)}, indent=1) + "\n"


def read_info(content: str | bytes, where: str) -> IndexInfo:
    """Read what ``write_info`` wrote; raises StoreError, naming ``where`` it stood, for anything else."""
    try:
        record = json.loads(content)
        if record["format"] != FORMAT:
            raise StoreError(
                f"{where} has format {record['format']!r} and this version of Quiver reads {FORMAT}; "
                "index the files again into another folder"
            )
        return IndexInfo(**record | {"fingerprint": Fingerprint.parse(record["fingerprint"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{where} is damaged: {error}; remove the index and build it again") from error
