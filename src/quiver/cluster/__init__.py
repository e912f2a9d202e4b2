"""Cluster: the same work on many machines, by Ray. Workers hold warm engines; a driver knows what is done."""
