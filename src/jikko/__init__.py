"""Runs workflows written in the Dify DSL and serves Dify's workflow Service API."""

__version__ = "0.1.1"
