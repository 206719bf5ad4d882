"""Keys, roles and labels: who is let in, and when no longer."""

from __future__ import annotations

from serving import Serve


def test_status_without_keys(serve: Serve) -> None:
    found = serve().get("/api/status").json()
    assert found["caller"] == {"name": "owner", "role": "owner", "labels": None}
    assert not found["needs_key"]
    assert found["documents"] == 2
