"""Datasets: documents, the user's files and approved answers -> checked examples, split by document.

build / formats / feedback -> Example -> check -> split -> store: datasets/<hash>/
"""
