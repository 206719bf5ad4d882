"""Training: a dataset and a base model -> an adapter with its card, planned before and proved after.

architecture -> plan -> (probe) -> recipe -> adapter -> export
"""
