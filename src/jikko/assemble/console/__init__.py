"""What the console works with: what there is from the start, and what its first visitor has imported."""
