"""Events of a rehearsal, one JSON line each, appended to the file that envtool named."""

import json
import os
import threading
import time

FAULTS_AT_MOST = 20

path = None
started = time.time()
main_process = os.getpid()
cuda_before_fork = False  # in a forked process: had its parent used the accelerator?
seen = set()
left_out = 0
limits = set()
_lock = threading.Lock()


def tell(event, **facts):
    """Append one event: a single write, so that a forked worker's line can't cut into another."""
    facts["event"] = event
    line = (json.dumps(facts, default=str) + "\n").encode("ascii", "replace")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
    except OSError:
        pass  # the reader finds no end and says so


def fault(kind, place, **facts):
    """Tell a fault once for each place and kind; True where it is new."""
    global left_out
    key = (kind, place.get("file"), place.get("line"))
    with _lock:
        if key in seen:
            return False
        seen.add(key)
        if len(seen) > FAULTS_AT_MOST:
            left_out += 1
            return False
    tell("fault", kind=kind, place=place, **facts)
    return True


def limit(name, place=None):
    """Tell once that something was not rehearsed as it is; the reader knows the names."""
    if name not in limits:
        limits.add(name)
        tell("limit", name=name, place=place)
