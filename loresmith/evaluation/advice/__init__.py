"""Advice on which way to take, before and after measuring.

collect (the workspace), flags, interview -> Facts -> rules -> Advice;  report -> measured
"""

from __future__ import annotations

from loresmith.evaluation.advice.facts import Facts
from loresmith.evaluation.advice.rules import Advice, advise

__all__ = ["Advice", "Facts", "advise"]
