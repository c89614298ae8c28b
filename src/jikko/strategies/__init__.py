"""Agent strategies: those of plugins, and Jikko's own."""
