"""Tables as data: typed rows of files and databases in one store, described in words."""
