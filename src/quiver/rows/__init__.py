"""Rows: texts out of files, one a row; what the shell and clusters read."""
