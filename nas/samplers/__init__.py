"""Names of samplers -> Optuna samplers."""
