"""The building blocks, one file per family."""
