"""The collector's command as a process."""

import os
import re
import signal
import subprocess
import sys
from typing import Any, Self

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.http import PATIENCE_SECONDS, get, until

COMMAND = (sys.executable, "-m", "collector", "--listen-port=0", "--interval-seconds=0.1")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FLOPWATCH_COLLECTOR_")}


class Running:
    """The command as a process, and where it serves."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT | environment,
        )

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        address = re.fullmatch(r"serving http://127\.0\.0\.1:(\d+)/metrics\n", self.said)
        assert address, self.said + self.stop(signal.SIGKILL)[1]
        self.port = int(address.group(1))
        until(lambda: get(self.port, "/readyz")[0].status == 200, "the first tick")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def page(self) -> str:
        """What it serves now, in OpenMetrics."""
        return get(self.port, "/metrics", Accept="application/openmetrics-text")[1].decode()

    def stop(self, number: int) -> tuple[int, str]:
        """Its exit code after this signal, and what it had to say on standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors


def samples(page: str) -> list[Any]:
    """The samples of a page."""
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]
