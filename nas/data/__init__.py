"""Named data sets as tensors."""
