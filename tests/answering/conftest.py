from __future__ import annotations

import pytest
from answering_helpers import torque_hits

from loresmith.types import Hit


@pytest.fixture
def torques() -> list[Hit]:
    """Two tables of torques and a page on oil, of two pumps."""
    return torque_hits()
