"""Tools for nodes: Jikko's own, and those of the tools file."""
