"""Datasets: where they are kept, which a server knows from its start, and all that the first one has imported."""
