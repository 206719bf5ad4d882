"""A cell of any source as what is sent, kept and typed: text, number, yes or no, or nothing."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def plain(cell: Any) -> Any:
    """The cell, where JSON and SQLite hold it as what it is; else its text. Bytes and what is no number
    (NaN, infinity) are nothing."""
    if cell is None or isinstance(cell, str | bool):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, int):
        return cell if -(2**63) <= cell < 2**63 else str(cell)
    if isinstance(cell, Decimal):
        return int(cell) if cell == cell.to_integral_value() and abs(cell) < 2**53 else float(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, bytes | bytearray | memoryview):
        return None
    if isinstance(cell, dict | list | tuple):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)
