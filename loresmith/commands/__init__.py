"""The commands of the terminal, one file a group; no logic of their own beyond asking and showing."""
