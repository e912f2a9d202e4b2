"""JSON files of a checkpoint: read with one clear error for everything that can be wrong with them."""

import json
from pathlib import Path
from typing import Any

from quiver.errors import CheckpointError


def read_json(path: Path) -> Any:  # noqa: ANN401  (whatever the file holds)
    """The content of a JSON file, or None if there is no such file; raises CheckpointError otherwise."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is malformed: {error}") from error
