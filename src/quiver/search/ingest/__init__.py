"""Ingest: from the paths a user gives to passages.

    find_files -> SourceFile or Skipped; read_passages -> read (formats, readers/) -> cut -> assemble

A file that cannot be read is a Skipped or an UnreadableFile with a reason in one line. Nothing here keeps
state, so that files can be read in processes of their own.
"""

from quiver.search.ingest.find import find_files as find_files
from quiver.search.ingest.read import read_passages as read_passages
