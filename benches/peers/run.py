"""The side by side: gives every peer the same jobs on the same files, checks each result before its time
counts, lets the peers run in turn, and writes what it saw. `README.md` has the rules.
"""

import os
import sys

sys.dont_write_bytecode = True  # a checkout stays as it is

from peers import UNSET

for name in UNSET:  # before numpy is loaded, which reads them
    os.environ.pop(name, None)

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np

import jobs
import machine
import peers
import report


class Pace:
    """How long to measure."""

    def __init__(self, quick):
        self.rounds = 2 if quick else 5
        # Timed runs of a peer in a job: fewer where they are slow, never less than `least`.
        self.samples = 6 if quick else 20
        self.least = 2 if quick else 3
        # Seconds for all timed runs of a peer in a job.
        self.budget = 3 if quick else 20
        # A peer that takes longer for one run is left out of the job.
        self.longest = 20 if quick else 60
        # For the first runs, which may compile and tune.
        self.first = 90 if quick else 300

    def each_round(self, seconds):
        """Timed runs in each round, for a peer that takes so long."""
        wanted = self.samples if seconds > 0.05 else 2 * self.samples
        total = max(self.least, min(wanted, int(self.budget / seconds)))
        return math.ceil(total / self.rounds)

    def turns(self, seconds):
        """In how many of the rounds it runs."""
        return self.rounds if self.budget / seconds >= self.rounds else self.least


def main():
    options = arguments()
    pace = Pace(options.quick)
    chosen = select(options)
    record = {"quick": options.quick, "rules": rules(pace), "machine": machine.describe(), "jobs": []}
    for group in dict.fromkeys(peer.group for peer in chosen):
        runners = [peers.Runner(peer) for peer in chosen if peer.group == group]
        try:
            for job in jobs.ALL:
                if matches(job.name, options.jobs):
                    record["jobs"].append(measure(job, group, runners, pace))
        finally:
            for runner in runners:
                runner.close()
    record["machine"]["load_average_after"] = machine.load()
    report.compare(record)
    print(report.table(record))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=1) + "\n")
    report.plot(record, options.out.with_suffix(".svg"))
    say(f"written: {options.out.name} and {options.out.with_suffix('.svg').name}")


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs: to see that it works, not to be quoted")
    parser.add_argument("--jobs", default="", metavar="A,B", help="only jobs whose names contain one of these")
    parser.add_argument("--peers", default="", metavar="A,B", help="only these peers")
    parser.add_argument("--group", choices=["cpu", "software"], help="only peers on the CPU, or on a software GPU")
    parser.add_argument("--list", action="store_true", help="print the names of jobs and peers and stop")
    parser.add_argument("--dry-run", action="store_true", help="check the arguments and stop")
    parser.add_argument("--out", type=Path, default=peers.HERE / "results" / "latest.json", metavar="FILE.json")
    options = parser.parse_args()
    if options.list:
        print("jobs:", *(f"  {job.name}" for job in jobs.ALL), sep="\n")
        print("peers:", *(f"  {peer.name} ({peer.group})" for peer in peers.ALL), sep="\n")
        sys.exit(0)
    if not any(matches(job.name, options.jobs) for job in jobs.ALL):
        parser.error(f"no job's name contains any of '{options.jobs}' (--list names them)")
    unknown = set(filter(None, options.peers.split(","))) - {peer.name for peer in peers.ALL}
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))} (--list names them)")
    if not select(options):
        parser.error("no peer is left to run")
    if options.dry_run:
        sys.exit(0)
    return options


def select(options):
    """The peers to run, ours first in each group."""
    names = set(filter(None, options.peers.split(",")))
    return [
        peer
        for peer in peers.ALL
        if (not names or peer.name in names) and options.group in (None, peer.group)
    ]


def matches(name, parts):
    return not parts or any(part in name for part in parts.split(",") if part)


def rules(pace):
    """How it was measured, for the record."""
    return {
        "step_error_allowed": jobs.STEP_ERROR,
        "ten_steps_error_allowed": jobs.STEPS_ERROR,
        "topk_recall_wanted": jobs.TOPK_RECALL,
        "rounds": pace.rounds,
        "samples_wanted": pace.samples,
        "samples_least": pace.least,
        "seconds_for_samples": pace.budget,
        "seconds_longest_run": pace.longest,
        "seconds_for_first_runs": pace.first,
    }


def measure(job, group, runners, pace):
    """One job by all peers of a group."""
    say(f"{group}: {job.name}")
    case = jobs.Case(job, peers.WORK / "data")
    entries = {}
    for runner in runners:
        if job.op in runner.peer.ops:
            entries[runner] = first(case, runner, pace)
    running = [runner for runner, entry in entries.items() if "reason" not in entry]
    for number in range(pace.rounds):
        # Everyone is first once, since the first of a round finds the machine coolest.
        turn = number % max(len(running), 1)
        for runner in running[turn:] + running[:turn]:
            if "reason" not in entries[runner]:
                again(case, runner, entries[runner], number, pace)
    facts = {"name": job.name, "group": group} | jobs.facts(case)
    return facts | {"load_average": machine.load(), "peers": [finish(entry, job) for entry in entries.values()]}


def first(case, runner, pace):
    """Compiles, tunes and checks: no time of this counts."""
    entry = {"peer": runner.peer.name, "samples": []}
    out = peers.WORK / "results" / f"{runner.peer.name}.npy"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    try:
        # Two before the clock: recorders such as TinyJit run twice before they are at their speed.
        task = case.task(warm=2, samples=1, limit=pace.longest, out=str(out))
        answer = runner.ask(task, pace.first)
        entry["version"] = answer.get("version") or runner.peer.version()
        entry["threads"], entry["note"] = answer["threads"], peers.plain(answer["note"])
        reason, entry["error" if case.job.op == "step" else "recall"] = case.check(np.load(out))
        if reason:
            raise peers.Refused(reason)
        entry["estimate"] = answer["seconds"][-1]
        if entry["estimate"] > pace.longest:
            raise peers.Refused(f"needs {entry['estimate']:.0f} s for one run, more than {pace.longest} s")
    except peers.Refused as refused:
        entry["reason"] = str(refused)
    outcome = entry.get("reason") or f"{entry['estimate'] * 1e3:.3g} ms, result right"
    say(f"    {runner.peer.name}: {outcome}")
    return entry


def again(case, runner, entry, number, pace):
    """One turn of a peer."""
    seconds = entry["estimate"]
    if number >= pace.turns(seconds):
        return
    time.sleep(0.2)  # threads of the one before, that spin while they wait for work, have given up by then
    warm = 1 if seconds < 2 else 0
    task = case.task(warm=warm, samples=pace.each_round(seconds), limit=pace.budget)
    try:
        entry["samples"] += runner.ask(task, pace.first)["seconds"]
    except peers.Refused as refused:
        entry["reason"] = str(refused)


def finish(entry, job):
    """Figures from samples."""
    entry.pop("estimate", None)
    samples = sorted(entry.pop("samples"))
    if samples and "reason" not in entry:
        median = statistics.median(samples)
        low, _, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [median] * 3
        entry |= {"seconds_median": median, "seconds_min": samples[0], "seconds_quartiles": [low, high]}
        entry |= {"samples": len(samples), "gflops": job.flops / median / 1e9}
    return {key: rounded(value) for key, value in entry.items()}


def rounded(value):
    """To the digits that mean something."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
