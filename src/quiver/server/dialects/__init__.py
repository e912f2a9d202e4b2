"""Dialects: one module for each client's way to ask.

A module translates fields into a ``Wish`` and results back, and has no opinion of its own on prompts, limits
or numbers. Fields that a dialect knows are honoured or refused; unknown ones are refused.
"""
