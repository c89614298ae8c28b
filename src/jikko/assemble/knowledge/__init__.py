"""Factories of datasets: their storage, known from the start, and everything imported with the first dataset."""
