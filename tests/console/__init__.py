"""The console in a browser, against the real server."""
