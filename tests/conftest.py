import os
import signal

from hypothesis import settings

# How long an example takes says more about the machine than about the product. The gate plays the same examples each
# time, so that it is green or red for what changed; everybody else looks for new ones. Numbers that stand in the code
# under test enter Hypothesis' choices, so the same means: until the code changes.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control lets what it starts in the background ignore Ctrl-C. Every program that a test starts
    # would inherit that, and a test that interrupts it would wait in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
