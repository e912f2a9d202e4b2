"""Batching: which sequences of many calls run together. Knows nothing of HTTP.

call -> waiting line (lanes, keys, bounds) -> batch -> engine thread -> rows -> the calls that wait for them
"""
