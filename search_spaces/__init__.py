"""The search spaces, one a file, and the published networks."""
