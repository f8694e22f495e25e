"""Logs, metrics and traces: set up once per process, the same in every service."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from chassis.settings import Settings

__all__ = ["CONTENT_TYPE_LATEST", "configure", "counted", "current_traceparent", "metrics", "span"]

requests = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
seconds = Histogram("http_request_seconds", "Time to answer a request", ["method", "route"])


@cache
def counted(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The measures of a request; to find them by their labels costs as much as to count."""
    return requests.labels(method, route, status), seconds.labels(method, route)


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
