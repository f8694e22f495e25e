"""Logs, metrics and traces: set up once per process, the same in every service."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from chassis.settings import Settings

__all__ = [
    "CONTENT_TYPE_LATEST",
    "Repeated",
    "configure",
    "counted",
    "current_traceparent",
    "metrics",
    "span",
    "tell_repeated",
]

requests = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
seconds = Histogram("http_request_seconds", "Time to answer a request", ["method", "route"])


@cache
def counted(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The measures of a request; to find them by their labels costs as much as to count."""
    return requests.labels(method, route, status), seconds.labels(method, route)


TELL_AGAIN = 60.0
"""Seconds after which a warning that repeats is written again, with the number of those in between."""
MOST_KINDS = 500
"""Kinds of warnings that are told apart; beyond, the one that was written longest ago is forgotten."""

_withheld = Counter("log_lines_withheld_total", "Warnings that were counted and not written", ["level"])
_numbers = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+")


class Repeated:
    """Tells which warnings repeat: the first of a kind is written at once, the others are counted and written once a
    minute as a number. Texts that differ in numbers only are of one kind."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kinds: dict[tuple[object, ...], list[Any]] = {}
        """By kind: when it was written, how many came since, and how the next one is written."""
        self._lock = threading.Lock()  # a library may log from its own thread

    def count(self, kind: tuple[object, ...], write: Callable[[int], None]) -> int | None:
        """None where this one is to be withheld; else how many were withheld before it.

        write: called later with their number, if no further one of that kind comes.
        """
        kind = tuple(_numbers.sub("#", part)[:300] if isinstance(part, str) else part for part in kind)
        now = self._now()
        with self._lock:
            known = self._kinds.get(kind)
            if known is not None and now - known[0] < TELL_AGAIN:
                known[1] += 1
                known[2] = write
                return None
            withheld = known[1] if known else 0
            self._kinds.pop(kind, None)
            self._kinds[kind] = [now, 0, write]
            if len(self._kinds) > MOST_KINDS:
                del self._kinds[next(iter(self._kinds))]
        return withheld

    def tell(self) -> None:
        """Write the numbers of those that were withheld for a minute."""
        now = self._now()
        due: list[tuple[Callable[[int], None], int]] = []
        with self._lock:
            for kind, known in tuple(self._kinds.items()):
                if now - known[0] < TELL_AGAIN:
                    continue
                if known[1]:
                    due.append((known[2], known[1]))
                    known[0], known[1] = now, 0
                else:
                    del self._kinds[kind]
        for write, withheld in due:
            write(withheld)


_repeated = Repeated()


async def tell_repeated() -> None:
    """Write how often withheld warnings came; called now and then by each process."""
    _repeated.tell()


_OF_ONE = ("record", "partition", "offset", "version", "id")
"""Fields that name one record: what is said of another one is no repetition."""


def _once_a_minute(logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of structlog: drop a warning that repeats."""
    if level not in ("warning", "error") or event.get("repeated"):
        return event
    if level == "error" and "request_id" in event:
        return event
    kind = (
        level,
        str(event.get("event")),
        *(str(event.get(name)) for name in ("task", "group", "topic", "reason")),
        *((name, event[name]) for name in _OF_ONE if name in event),
    )
    said = {name: value for name, value in event.items() if name not in ("event", "exc_info", "level", "timestamp")}
    withheld = _repeated.count(
        kind, lambda more: getattr(structlog.get_logger(), level)(event["event"], **{**said, "repeated": more})
    )
    if withheld is None:
        _withheld.labels(level).inc()
        raise structlog.DropEvent
    if withheld:
        event["repeated"] = withheld
    return event


class _OnceAMinute(logging.Filter):
    """The same for what libraries say through `logging`: aiokafka repeats itself many times a second."""

    def __init__(self, emit: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._emit = emit

    def filter(self, record: logging.LogRecord) -> bool:
        def write(more: int) -> None:
            record.msg, record.args = f"{record.getMessage()} (repeated {more} times)", ()
            self._emit(record)

        withheld = _repeated.count((record.levelname, record.name, str(record.msg)), write)
        if withheld is None:
            _withheld.labels(record.levelname.lower()).inc()
            return False
        if withheld:
            record.msg, record.args = f"{record.getMessage()} (repeated {withheld} times)", ()
        return True


_context = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("salesbeat")
"""Asked for once: it compiles a filter for warnings each time, a tenth of a request's processor time. It goes by
whatever provider is set later."""


def configure(name: str, settings: Settings) -> None:
    """Set up the process's logs and traces."""
    _configure_logs(name, settings)
    provider = TracerProvider(
        # Without a listener the trace's ids are passed on, and nothing is recorded.
        sampler=None if settings.otlp_endpoint else ALWAYS_OFF,
        resource=Resource.create({"service.name": name, "service.namespace": "salesbeat"}),
    )
    if settings.otlp_endpoint:
        # Costs 60 ms and 8 MB, so only where somebody listens.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _configure_logs(name: str, settings: Settings) -> None:
    terminal = settings.log_format == "console" or (settings.log_format == "auto" and sys.stdout.isatty())
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    level = getattr(logging, settings.log_level.upper())
    if terminal:
        # The default one prints every local variable: 29 s were seen for one error.
        printer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        printer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            _once_a_minute,
            *shared,
            lambda _, __, event: {"service": name, **event},
            structlog.processors.format_exc_info,
            printer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # Libraries speak through logging: the same lines, warnings and worse only.
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _, __, event: {"service": name, **event},
                structlog.processors.format_exc_info,
                printer,
            ],
        )
    )
    handler.addFilter(_OnceAMinute(handler.emit))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def metrics() -> bytes:
    """Everything that this process counts, in Prometheus' text form."""
    return generate_latest()


def current_traceparent() -> str | None:
    """The W3C trace context of what is being done now, for the next hop."""
    carrier: dict[str, str] = {}
    _context.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, kind: SpanKind, carrier: Mapping[str, str]) -> Iterator[trace.Span]:
    """A span under the trace that came in with `carrier` (its `traceparent`), or a new trace."""
    parent = _context.extract(dict(carrier))
    with _tracer.start_as_current_span(name, context=parent, kind=kind) as current:
        yield current
