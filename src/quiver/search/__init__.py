"""Search: files to passages, passages to a store, a query to ranked passages."""
