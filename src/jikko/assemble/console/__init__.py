"""Factory of the console: a part made at the start, and one imported for its first visitor."""
