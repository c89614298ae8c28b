"""The console in a browser, against a real server."""
