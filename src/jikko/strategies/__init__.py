"""Agent strategies: those of plugins, and the one that Jikko has itself."""
