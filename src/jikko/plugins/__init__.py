"""Dify plugins without Dify's daemon: packages, installation, processes, and the host calls they make."""
