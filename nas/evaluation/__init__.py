"""Architecture -> Evaluation."""
