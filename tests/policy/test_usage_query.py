import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.usage import Handler, serving

from policy.usage.sources.promql import quoted
from policy.usage.sources.query import Api, PrometheusError, Server, TooMuch, asking, fault_of_url, samples_frame

TIMEOUT_SECONDS = 0.4
LARGEST_BYTES = 100_000
JSON = "application/json"
VECTOR = {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "2"]}]}
Answer = Callable[[Handler], None]


def says(body: object, status: int = 200, content_type: str = JSON, **headers: str) -> Answer:
    """Answers with this, as JSON unless it is bytes."""
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.answer(status, content_type, packed, **headers)


def success(data: object, **more: object) -> dict[str, object]:
    """An answer as the API gives it."""
    return {"status": "success", "data": data, **more}


def drips(handler: Handler) -> None:
    """Sends a byte now and then, for longer than anybody waits."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    deadline = time.monotonic() + TIMEOUT_SECONDS * 10
    while time.monotonic() < deadline:
        handler.wfile.write(b" ")
        time.sleep(0.02)


class Asked:
    """A server that answers as it is told, and what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = says(success(VECTOR))
        self.paths: list[str] = []
        self.tokens: list[str | None] = []


@pytest.fixture
def asked() -> Asked:
    """What the server says and hears."""
    return Asked()


@pytest.fixture
def api(asked: Asked) -> Iterator[Api]:
    """Questions to a small server that is no Prometheus."""

    class Answering(Handler):
        def reply(self) -> None:
            asked.paths.append(self.path)
            asked.tokens.append(self.headers["Authorization"])
            try:
                asked.answer(self)
            except OSError:
                self.close_connection = True  # who asked has hung up

    with serving(Answering) as address:
        server = Server(url=address, bearer_token="s3cret", timeout_seconds=TIMEOUT_SECONDS, answer_bytes=LARGEST_BYTES)
        with asking(server) as questions:
            yield questions


def test_an_answer_is_a_frame_of_samples(api: Api, asked: Asked) -> None:
    """Name, labels, milliseconds and value of every sample; a label that is not there is null, no value is no row."""
    (row,) = samples_frame(api.at("up", 1_500), ("job", "node")).to_dicts()
    assert row == {"metric": "up", "job": "a", "node": None, "at_ms": 1500, "value": 2.0}
    values = [[1, "NaN"], [2, "+Inf"], [3, "4"]]
    assert samples_frame([{"metric": {}, "values": values}], ())["value"].to_list() == [4.0]
    assert asked.tokens == ["Bearer s3cret"]
    assert asked.paths == ["/api/v1/query?query=up&time=1.500"]


BAD = {
    "a web page": (says(b"<html>", content_type="text/html"), "content type text/html: no Prometheus API"),
    "a login": (says({}, status=401), "HTTP 401: it wants a bearer token; give a file with --prometheus-token-file"),
    "no right": (says({}, status=403), "HTTP 403: it wants a bearer token"),
    "another place": (says(b"", status=302, Location="/graph"), "HTTP 302: it points elsewhere"),
    "no such path": (says(b"", status=404, content_type="text/plain"), "HTTP 404: no Prometheus API"),
    "a broken proxy": (says(b"", status=503, content_type="text/html"), "HTTP 503: no Prometheus API"),
    "half an answer": (says(b'{"status":', Content_Length="999"), "after 10 bytes"),
    "half a document": (says(b'{"status":'), "an answer that is not JSON"),
    "other JSON": (says({"version": 3}), "JSON of another kind"),
    "JSON of another form": (says(success([1, 2])), "an answer without result"),
    "a refusal": (says({"status": "error", "error": "parse\nerror"}, status=400), "was refused: parse?error"),
    "too large": (says(success(VECTOR) | {"x": "x" * LARGEST_BYTES}), "more than 100000 bytes; ask for less"),
    "badly packed": (says(b"nonsense", Content_Encoding="gzip"), "cannot be unpacked"),
    "a byte now and then": (drips, "no whole answer within 0.4 s; ask for less"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_one_line(api: Api, asked: Asked, name: str) -> None:
    """Whatever the server does is one line with its address, what was seen and what to do, and tells no token."""
    asked.answer, words = BAD[name]
    with pytest.raises(PrometheusError) as refused:
        api.at("up", 0)
    line = str(refused.value)
    assert line.startswith(f"{api.server.url}: ")
    assert words in line
    assert "\n" not in line
    assert "s3cret" not in line


def test_a_closed_port_is_one_line() -> None:
    """A server that is not there is said to be so."""
    with asking(Server(url="http://127.0.0.1:9")) as api, pytest.raises(PrometheusError, match="check the address"):
        api.at("up", 0)


@pytest.mark.parametrize("series", [{}, {"metric": {}}, {"metric": {}, "value": 3}, 7, {"metric": {}, "value": [1]}])
def test_series_of_another_form_are_refused(series: Any) -> None:
    """What is not in the API's form is an error, and never an empty frame."""
    with pytest.raises(PrometheusError, match="not in the form"):
        samples_frame([series], ("job",))


def test_what_is_too_much_is_asked_in_halves(api: Api, asked: Asked) -> None:
    """A range that the server will not load at once is asked for in parts that cover every step once."""
    covered: list[float] = []

    def answer(handler: Handler) -> None:
        query = parse_qs(urlsplit(handler.path).query)
        first, last = (float(query[name][0]) for name in ("start", "end"))
        if last - first > 2:
            says({"status": "error", "error": "query processing would load too many samples"}, status=422)(handler)
        else:
            moments = [first + step for step in range(int(last - first) + 1)]
            covered.extend(moments)
            values = [[moment, "1"] for moment in moments]
            says(success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]}))(handler)

    asked.answer = answer
    rows = samples_frame(api.over("up", 0, 9_000, 1_000), ())
    assert covered == list(range(10))
    assert rows["at_ms"].to_list() == list(range(0, 10_000, 1_000))


def test_one_step_that_is_too_much_is_said(api: Api, asked: Asked) -> None:
    """Halving ends."""
    asked.answer = says({"status": "error", "error": "too many samples"}, status=422)
    with pytest.raises(TooMuch, match="too many samples"):
        api.over("up", 0, 3_000, 1_000)


def test_warnings_are_kept_once(api: Api, asked: Asked) -> None:
    """What a server says about an answer that may lack something is remembered."""
    asked.answer = says(success(VECTOR, warnings=["store away", "store away"]))
    api.at("up", 0)
    api.at("up", 0)
    assert list(api.warnings) == ["store away"]


def test_an_address_with_a_password_is_refused() -> None:
    """No secret belongs into an address, which reaches errors and logs."""
    assert "--prometheus-token-file" in fault_of_url("http://user:hunter2@prometheus:9090")
    assert "hunter2" not in fault_of_url("http://user:hunter2@prometheus:9090")
    assert fault_of_url("https://prometheus/prefix") == ""


def test_quoted_values_match_themselves_only() -> None:
    """Nothing in a label's value means anything to a regular expression."""
    assert quoted(["GPU-1.2", 'a"b', "ü"]) == '"GPU\\\\-1\\\\.2|a\\\\\\"b|ü"'
