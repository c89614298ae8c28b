"""The tools that nodes can call: those of Jikko itself, and those that the tools file describes."""
