"""Batching: what runs together."""
