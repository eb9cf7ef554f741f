"""The signals that a serving collector waits for. Standard library only, for they are blocked before all else."""

import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
RELEASE, TAKE_BACK = signal.SIGUSR1, signal.SIGUSR2
SIGNALS = (*STOP_SIGNALS, RELEASE, TAKE_BACK)


def block() -> None:
    """
    Keep them until they are waited for.

    Before anything slow is imported, for until then SIGUSR1 would kill; and before any thread starts, so that all
    inherit it. A handler would not do: it runs between any two instructions of the main thread, and setting an event
    there can deadlock with a wait for the same event.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def unblock() -> None:
    """Let them do what they do to any process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
