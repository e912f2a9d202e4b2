"""Adapters to other packages: one module each, which imports its package and needs its extra."""
