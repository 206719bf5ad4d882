"""What /metrics shows: counts and times, never a word of a question or a document.

A registry of its own, so that several apps of one process (as in tests) do not count together.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from loresmith.types import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Else every count is listed a second time, with the moment of its birth.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)


class Meters:
    """The counters of one engine."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, processor, open files
        self._requests = Counter(
            "loresmith_requests", "Requests, by route and status.", ("route", "status"), registry=registry
        )
        self._latency = Histogram(
            "loresmith_request_seconds",
            "From the request to the end of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "loresmith_stage_seconds",
            "Of one answer: queue, retrieval, generation, verification, first (to the first words sent).",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "loresmith_answers",
            "Answers by arm and outcome: answered, abstained, cancelled, refused (429, 503), failed.",
            ("arm", "outcome"),
            registry=registry,
        )
        self._tokens = Counter(
            "loresmith_tokens",
            "Tokens read (prompt, query_prompt) and written (answer, query).",
            ("kind",),
            registry=registry,
        )
        self._dropped = Counter(
            "loresmith_dropped_sentences", "Sentences that verification took out.", registry=registry
        )

    def watch(self, waiting: Callable[[], float], running: Callable[[], float]) -> None:
        """Show the queue, asked for at each look."""
        for name, text, value in (
            ("loresmith_queue_waiting", "Questions that wait for their turn.", waiting),
            ("loresmith_answers_running", "Answers under way.", running),
        ):
            Gauge(name, text, registry=self.registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        self._stages.labels(name).observe(seconds)

    def answered(self, answer: Answer) -> None:
        self._answers.labels(answer.arm, "abstained" if answer.abstained else "answered").inc()
        for name, seconds in answer.seconds.items():
            self.stage(name, seconds)
        for kind, count in answer.tokens.items():
            self._tokens.labels(kind).inc(count)
        self._dropped.inc(len(answer.dropped))

    def unanswered(self, arm: str, outcome: str) -> None:
        self._answers.labels(arm, outcome).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
