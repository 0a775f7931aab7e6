"""The study: ask, examine, tell, and nothing lost in between.

The Optuna study on disk is the only memory; `storage` writes it, `proposals` draws from it,
`candidates` looks at one proposal, `loop` runs them until the budget is used.
"""
