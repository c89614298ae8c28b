"""Datasets: each of their tables is read and written by one repository."""
