"""``python -m tests.search.indexing_process INDEX FOLDER SECONDS``: a slow run, to be killed."""

import sys
from pathlib import Path
from unittest.mock import patch

from quiver.search import batches
from quiver.search.index import update_index
from quiver.search.places import place_of
from tests.search.folder import Folder, SlowEmbedder

if __name__ == "__main__":
    index, folder, seconds = sys.argv[1:]
    with patch.multiple(batches, FIRST_CHARACTERS=1000, MOST_CHARACTERS=1000):
        update_index(place_of(index).open(), Folder(Path(folder)), SlowEmbedder(float(seconds)))
