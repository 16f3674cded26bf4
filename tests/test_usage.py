"""What a process takes: the same on a machine that others keep busy, and whatever it does."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loupette.usage import resident_bytes, timed

SPIN = "print(flush=True)\nwhile True: pass"


@contextmanager
def one_busy_processor() -> Iterator[None]:
    """This process and two others, which never stop, share one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [max(before)])
    others = [
        subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(2)
    ]
    try:
        for other in others:
            assert other.stdout and other.stdout.readline()
        yield
    finally:
        os.sched_setaffinity(0, before)
        for other in others:
            other.kill()
            other.communicate()


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_waiting_for_a_processor_does_not_count() -> None:
    with one_busy_processor():
        began_s = time.perf_counter()
        _, took = timed(lambda: burn(0.3))
        by_the_clock_s = time.perf_counter() - began_s
    assert by_the_clock_s > 0.5  # it had a third of the processor
    assert 0.3 <= took.cpu_s < 0.4
    assert 0.28 <= took.elapsed_s < 0.4


def test_sleep_counts_though_it_needs_no_processor() -> None:
    result, took = timed(lambda: threading.Event().wait(0.2))
    assert result is False
    assert took.cpu_s < 0.1
    assert 0.2 <= took.longest_s == took.elapsed_s


def test_work_of_all_threads_counts() -> None:
    def work() -> None:
        threads = [threading.Thread(target=burn, args=[0.1]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert timed(work)[1].longest_s >= 0.3


def test_memory_is_that_of_the_process_asked_for() -> None:
    before = resident_bytes()
    held = b"x" * 50_000_000
    assert 45_000_000 < resident_bytes() - before < 60_000_000
    assert resident_bytes(os.getpid()) > len(held)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert resident_bytes(ended.pid) == 0
