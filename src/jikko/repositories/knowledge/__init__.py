"""Repositories of datasets, one for each of their tables."""
