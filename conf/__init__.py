"""The configuration that ships: one group a folder, one option a file."""
