"""Planning: what a large job takes, from rates measured on a machine and assumptions that are stated."""
