"""Dify's plugins, run without its daemon: packages, their installation, their processes, and what these may ask for."""
