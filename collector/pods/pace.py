"""How patient the watch of the pods is. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    How patient the watch is, in seconds; all but the first pair and ``longest_wait`` are guesses.

    ``shortest_watch`` and ``longest_watch``: when the server ends a watch, as its own default does
    (kube-apiserver ``--min-request-timeout``: 1800 s, drawn up to twice that).
    ``silence``: a watch that says nothing for so long is broken; a bookmark comes each minute.
    ``first_wait`` doubles with every failure up to ``longest_wait``, as long as the kubelet's own watches wait at most
    (client-go: tools/cache/reflector.go); half of it is drawn, so that the nodes of a cluster do not come back
    together. ``longest_retry_after`` is as long as the server may keep us waiting.
    ``deleted_kept``: how long a deleted pod is still told of.
    """

    shortest_watch: float = 1800.0
    longest_watch: float = 3600.0
    silence: float = 180.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 600.0
    deleted_kept: float = 3600.0

    def wait_seconds(self, failures: int, retry_after_seconds: float, drawn: float) -> float:
        """How long to wait after so many failures before this one; ``drawn`` is a random number from 0 to 1."""
        longest = min(self.longest_wait, self.first_wait * 2.0 ** min(failures, 32))
        return min(retry_after_seconds, self.longest_retry_after) + longest * (1 + drawn) / 2

    def watch_seconds(self, drawn: float) -> int:
        """How long the server shall keep a watch open; ``drawn`` is a random number from 0 to 1."""
        return round(self.shortest_watch + (self.longest_watch - self.shortest_watch) * drawn)


PACE = Pace()
