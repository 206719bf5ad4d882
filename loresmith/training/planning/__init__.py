"""What training takes before it is begun: memory by part, time, GPUs, and the method that fits.

architecture (shapes, data/) + lengths + hardware -> footprint -> plan -> (probe) -> choice
"""
