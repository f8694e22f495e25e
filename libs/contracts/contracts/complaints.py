"""What the complaints service says of a complaint. Visits and others listen; the service itself is still to come."""

from __future__ import annotations

from enum import StrEnum

from contracts.envelope import Published


class Complaint(Published):
    """A complaint 客诉 with its people-facing number (domain.md K-01)."""

    id: str
    number: str
    source: str | None = None
    """The field complaint from which it came."""
    status: str
    resolution: str | None = None


class ComplaintEvent(StrEnum):
    REGISTERED = "sales.complaint.registered"
    CHANGED = "sales.complaint.changed"
    CLOSED = "sales.complaint.closed"
    RESTATED = "sales.complaint.restated"
