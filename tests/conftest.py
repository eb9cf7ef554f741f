import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control lets what it starts in the background ignore Ctrl-C. Every program that a test starts
    # would inherit that, and a test that interrupts it would wait in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
