"""
Questions to the HTTP API of a Prometheus, or of what speaks like one, as Thanos and Mimir do. Read-only.

API: https://prometheus.io/docs/prometheus/latest/querying/api/. Only GET is used; one question at a time, so that a
long look back is no burden. Every answer is whole or it is an error of one line: a page of HTML, a part of an answer
and an answer without result are never taken for "nothing was used".
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from policy.usage.sources import fetch
from policy.usage.sources.fetch import Ask, Fault, NoAnswer
from policy.usage.sources.span import MILLISECONDS
from policy.usage.sources.target import one_line

LIKE = "http://prometheus:9090"
FLAG = "--prometheus-token-file"
JSON = "application/json"
TOO_MANY = "too many samples"  # Prometheus' words when a question would pass --query.max-samples
READ_WITH_ERRORS = (400, 422, 503)  # statuses with which the API sends its own JSON that says what is wrong
WHAT_NEXT = {
    Fault.DOWN: "check the address and that it may be reached from here",
    Fault.SLOW: "ask for less with a shorter --since, or look at the server's load",
    Fault.TOO_LARGE: "ask for less with a shorter --since",
    Fault.TRUNCATED: "the answer ended early and was not used; try again",
    Fault.PACKED_BADLY: "check the address",
}


class PrometheusError(Exception):
    """A Prometheus that cannot be used: which address, what was seen, what to do."""


class TooMuch(PrometheusError):
    """One question asked for more than the server or we are willing to hold; a smaller one may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the API is, and how long and large one answer may be. Both limits are guesses, and generous."""

    url: str
    bearer_token: str = ""
    timeout_seconds: float = 120.0
    answer_bytes: int = 128 * 1024 * 1024


def fault_of_url(url: str) -> str:
    """Why an address cannot be a Prometheus', in words that do not repeat it; empty when it can."""
    return fetch.fault_of_url(url, whose="a Prometheus'", like=LIKE, flag=FLAG)


@contextmanager
def asking(server: Server) -> Iterator["Api"]:
    """Questions to this server while the block runs."""
    with fetch.client(at_once=1) as connections:
        yield Api(server=server, get=partial(fetch.fetch, connections))


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """
    The questions that we ask. Moments and durations are whole milliseconds.

    ``warnings`` collects what the server said about answers that may lack something, as Thanos does when a store is
    away.
    """

    server: Server
    get: Callable[[Ask], bytes]
    warnings: dict[str, None] = field(default_factory=dict)

    def values_of(self, label: str, selector: str, begin: int, end: int) -> set[str]:
        """The values that a label has on the selected series; ``__name__`` gives the names of metrics."""
        data = self._ask(f"label/{label}/values", {"match[]": selector, "start": _moment(begin), "end": _moment(end)})
        if not isinstance(data, list):
            raise self._no_prometheus("no list of values")
        return {str(value) for value in data}

    def at(self, expression: str, moment: int) -> list[Any]:
        """The series of an instant query; of a range such as ``up[1h]``, their samples as they were scraped."""
        return self._result("query", {"query": expression, "time": _moment(moment)})

    def over(self, expression: str, first: int, last: int, step: int) -> list[Any]:
        """The series at ``first``, ``first + step``, … up to ``last``; halved for as long as it is too much."""
        asked = {"query": expression, "start": _moment(first), "end": _moment(last), "step": _moment(step)}
        try:
            return self._result("query_range", asked)
        except TooMuch:
            steps = (last - first) // step
            if not steps:
                raise
            middle = first + steps // 2 * step
            return [*self.over(expression, first, middle, step), *self.over(expression, middle + step, last, step)]

    def _result(self, path: str, asked: Mapping[str, str]) -> list[Any]:
        data = self._ask(path, asked)
        result = data.get("result") if isinstance(data, dict) else None
        if not isinstance(result, list):
            raise self._no_prometheus("an answer without result")
        return result

    def _ask(self, path: str, asked: Mapping[str, str]) -> Any:
        ask = Ask(
            url=f"{self.server.url.rstrip('/')}/api/v1/{path}",
            check=self._check,
            accept=JSON,
            timeout_seconds=self.server.timeout_seconds,
            largest_bytes=self.server.answer_bytes,
            bearer_token=self.server.bearer_token,
            parameters=asked,
        )
        try:
            return self._data(self.get(ask))
        except NoAnswer as problem:
            kind = TooMuch if problem.fault is Fault.TOO_LARGE else PrometheusError
            raise kind(self._line(f"{one_line(str(problem))}; {WHAT_NEXT[problem.fault]}")) from problem

    def _check(self, status: int, content_type: str) -> None:
        if status in (401, 403):
            raise PrometheusError(self._line(f"HTTP {status}: it wants a bearer token; give a file with {FLAG}"))
        if 300 <= status < 400:
            raise PrometheusError(self._line(f"HTTP {status}: it points elsewhere; give the address that answers"))
        if status != fetch.OK and not (status in READ_WITH_ERRORS and content_type.startswith(JSON)):
            raise self._no_prometheus(f"HTTP {status}")
        if not content_type.startswith(JSON):
            raise self._no_prometheus(f"content type {one_line(content_type)}")

    def _data(self, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise self._no_prometheus("an answer that is not JSON") from error
        if not isinstance(answer, dict) or "status" not in answer:
            raise self._no_prometheus("JSON of another kind")
        if answer["status"] != "success":
            said = one_line(str(answer.get("error", "no reason given")))
            raise (TooMuch if TOO_MANY in said else PrometheusError)(self._line(f"the query was refused: {said}"))
        self.warnings.update({one_line(str(each)): None for each in answer.get("warnings") or ()})
        return answer.get("data")

    def _no_prometheus(self, seen: str) -> PrometheusError:
        return PrometheusError(
            self._line(f"{seen}: no Prometheus API; give the address before /api/v1, as {LIKE} or {LIKE}/prometheus")
        )

    def _line(self, text: str) -> str:
        return f"{self.server.url}: {text}"


def samples_frame(result: Iterable[Any], labels: Sequence[str]) -> pl.DataFrame:
    """
    The samples of an answer, one a row: ``metric``, these labels (null: not there), ``at_ms``, ``value``.

    A value that is not a finite number is left out: it says that there was none. Raises PrometheusError for an answer
    of another form.
    """
    named: list[list[str | None]] = []
    moments: list[float] = []
    values: list[str] = []
    owner: list[int] = []
    try:
        for number, series in enumerate(result):
            named.append([series["metric"].get(name) or None for name in ("__name__", *labels)])
            for moment, value in series["values"] if "values" in series else [series["value"]]:
                moments.append(moment)
                values.append(value)
                owner.append(number)
        names = pl.DataFrame(named, schema=dict.fromkeys(("metric", *labels), pl.String), orient="row")
        samples = pl.DataFrame({"owner": owner, "at_ms": moments, "value": values}, schema=_SAMPLES)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        raise PrometheusError(f"the server's answer is not in the form of Prometheus' API ({error!r})") from error
    rows = samples.with_columns(
        at_ms=(pl.col("at_ms") * MILLISECONDS).round().cast(pl.Int64),
        value=pl.col("value").cast(pl.Float64, strict=False),
    ).filter(pl.col("value").is_finite())
    return rows.join(names.with_row_index("owner").cast({"owner": pl.Int64}), on="owner").drop("owner")


_SAMPLES = {"owner": pl.Int64, "at_ms": pl.Float64, "value": pl.String}


def _moment(milliseconds: int) -> str:
    return f"{milliseconds / MILLISECONDS:.3f}"
