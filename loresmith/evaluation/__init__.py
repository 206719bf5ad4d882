"""Measuring: scores of answers and retrieval, and the calibration of abstention."""
