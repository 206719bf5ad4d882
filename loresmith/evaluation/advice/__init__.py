"""Advice on which way to take, before and after measuring."""
