"""What answers: `Workspace`, the facade over a folder, and `Expert`, which keeps what it answers from open.

workspace = Workspace.open("plant")
workspace.sync()
answer = workspace.expert().ask("Which torque for the M8 flange bolts of the P-200?")
"""

from __future__ import annotations

from loresmith.expert.expert import CALIBRATION, Expert
from loresmith.expert.workspace import Workspace

__all__ = ["CALIBRATION", "Expert", "Workspace"]
