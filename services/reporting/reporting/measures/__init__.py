"""The measures: one module for each source of facts.

Each says what an aggregate's full state contributes, as a pure function. A new source is one new module
and one entry in `SOURCES`; the fold, the answers and the drill-down know no measure by name.
"""

from __future__ import annotations

from reporting.measures import calls, customers, forms, orders, targets, visits
from reporting.measures.source import Reading, Shape, Source

__all__ = ["BY_TOPIC", "SHAPES", "SOURCES", "Reading", "Shape", "Source"]

SOURCES: tuple[Source, ...] = (
    orders.SOURCE,
    customers.SOURCE,
    targets.SOURCE,
    visits.SOURCE,
    calls.SOURCE,
    forms.SOURCE,
)

BY_TOPIC = {source.topic.name: source for source in SOURCES}

SHAPES: dict[str, Shape] = {name: shape for source in SOURCES for name, shape in source.measures.items()}
"""Every stored measure, in the order in which answers show them."""
