"""A program that is signalled in the place that its argument names; prints ``done`` where it gets to its end."""

import ctypes
import os
import signal
import sys
import time

from experiments.commandline import interruption
from experiments.commandline.interruption import InterruptedRunError, heed, interruptible, resumable, uncut


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def twice() -> None:
    send()
    send()


def in_a_step_that_must_not_be_cut() -> None:
    with uncut():
        with uncut():
            send()
            print("inner", flush=True)
        print("outer", flush=True)


def in_a_failing_step() -> None:
    with uncut():
        send()
        raise ValueError("half started")


def where_everything_is_caught() -> None:
    try:
        send()
    except BaseException:  # the fault of a library
        print("caught", flush=True)
    heed()


def in_a_clean_up_that_hangs() -> None:
    try:
        send()
    finally:
        time.sleep(1.5 * interruption.SECONDS_OF_ONE)
        print("hangs", flush=True)
        send()
        time.sleep(60)


def within_the_clean_up() -> None:
    try:
        send()
    finally:
        send(signal.SIGINT)
        print("clean", flush=True)


def called_by_a_library() -> None:
    ctypes.CFUNCTYPE(None)(send)()
    time.sleep(60)


def called_where_nothing_must_be_cut() -> None:
    with uncut():
        ctypes.CFUNCTYPE(None)(send)()
        time.sleep(5 * interruption._AGAIN)
        print("whole", flush=True)
    time.sleep(60)


def in_two_callbacks() -> None:
    def slow() -> None:
        send()
        time.sleep(60)

    class Dying:
        def __del__(self) -> None:
            time.sleep(60)

    ctypes.CFUNCTYPE(None)(slow)()
    Dying()  # the second try is lost in a destructor, and the third one is not
    time.sleep(60)


def while_numba_compiles() -> None:
    import numba
    from numba.core.codegen import JITCodeLibrary

    store = JITCodeLibrary._object_compiled_hook

    def hook(*args: object) -> None:
        store(*args)
        send()

    JITCodeLibrary._object_compiled_hook = hook
    numba.njit(lambda x: x + 1)(1)
    JITCodeLibrary._object_compiled_hook = store
    time.sleep(60)


def in_a_library_that_stumbles_over_what_it_lost() -> None:
    try:
        with resumable("again"):
            ctypes.CFUNCTYPE(None)(send)()
            raise RuntimeError("no compiled object yet")
    except InterruptedRunError as error:
        print(error, flush=True)
        sys.exit(interruption.INTERRUPTED)


def in_a_run_within_a_run() -> None:
    try:
        with resumable("outer"), resumable("inner"):
            send()
    except InterruptedRunError as error:
        print(error, flush=True)
        sys.exit(interruption.INTERRUPTED)


def where_no_signal_came() -> None:
    try:
        with resumable("again"):
            raise RuntimeError("a fault")
    except RuntimeError as error:
        print(error, flush=True)


def while_it_is_ignored() -> None:
    send(signal.SIGHUP)


if sys.argv[1] == "while_it_is_ignored":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
with interruptible():
    try:
        globals()[sys.argv[1]]()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(interruption.INTERRUPTED)
print("done", flush=True)
