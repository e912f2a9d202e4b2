"""A store for databases without transactions: versions of rows, and a number that says which hold."""
