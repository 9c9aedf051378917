"""What a runner in Python reads and writes: a task a line on standard input, an answer a line on standard
output. A runner gives `serve` a function `load(patterns, queries)` and one `prepare(task, data)`, which
returns what is timed: a function that computes until its result is on the host, as an array.
"""

import json
import os
import sys
import time

import numpy as np


def serve(load, prepare, version, threads, note):
    """Answers tasks until standard input ends."""
    answers = private_stdout()
    held = Held(load)
    for line in sys.stdin:
        task = json.loads(line)
        try:
            answer = run(task, prepare(task, held.data(task["patterns"], task["queries"])))
            answer |= {"version": version, "threads": threads(), "note": note()}
        except Exception as error:  # whatever a peer throws is its result
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def private_stdout():
    """Standard output for answers alone; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


class Held:
    """The data that was loaded last: loading is no part of a job."""

    def __init__(self, load):
        self.load, self.files, self.value = load, None, None

    def data(self, patterns, queries):
        if self.files != (patterns, queries):
            self.value = None  # frees the old before the new is loaded
            self.value = self.load(np.load(patterns), np.load(queries))
            self.files = (patterns, queries)
        return self.value


def run(task, operation):
    """Warm-up runs, then timed ones until there are enough or the limit is reached."""
    start = time.perf_counter()
    for _ in range(task["warm"]):
        if time.perf_counter() - start < task["limit"]:
            operation()
    seconds = []
    while len(seconds) < task["samples"]:
        if seconds and time.perf_counter() - start >= task["limit"]:
            break
        before = time.perf_counter()
        result = operation()
        seconds.append(time.perf_counter() - before)
    if task["out"]:
        np.save(task["out"], np.asarray(result))
    return {"seconds": seconds}
