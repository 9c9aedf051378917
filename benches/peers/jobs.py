"""The jobs, their data, what is expected of them, and the check of a result against it."""

import math
from dataclasses import dataclass

import numpy as np

# Change it with anything below that changes data or expectations: files of another recipe are made anew.
RECIPE = 1

# A step's largest error, as a share of the largest value expected. f32 gives about 1e-6, and 2e-5 where sums
# are made one by one. Further steps enlarge what the first got wrong, where a query is between two ends.
STEP_ERROR = 1e-4
STEPS_ERROR = 1e-3
# The share of the returned patterns that belong to the best k.
TOPK_RECALL = 0.999
# Two inner products of vectors of length 1 or so that differ by less may change places in f32.
TIE = 2e-6

SHAPES = [(64, 20_000, 128), (1, 100_000, 384), (64, 100_000, 384), (1024, 100_000, 384), (256, 16_384, 64)]
LONG_SHAPES = [(64, 20_000, 128), (256, 16_384, 64)]
K = 10


@dataclass(frozen=True)
class Job:
    """One operation on one shape: `b` queries, `n` patterns, `d` columns."""

    op: str
    b: int
    n: int
    d: int
    steps: int = 1

    @property
    def name(self):
        what = f"top{K}" if self.op == "topk" else "step" if self.steps == 1 else f"{self.steps}steps"
        return f"{what} {self.b}x{self.n}x{self.d}"

    @property
    def beta(self):
        """At `ln n` one pattern weighs about as much as all `n` others together. Somewhat more, and a step gives
        that pattern with many others mixed in; for ten steps more still, so that about half of the
        queries are held by a pattern and half sink to the middle."""
        return round((1.25 if self.steps == 1 else 1.6) * math.log(self.n), 3)

    @property
    def flops(self):
        """Multiplications and additions of the products. Exponentials and comparisons are not counted."""
        products = 2 * self.steps if self.op == "step" else 1
        return 2 * products * self.b * self.n * self.d


ALL = (
    [Job("step", *shape) for shape in SHAPES]
    + [Job("step", *shape, steps=10) for shape in LONG_SHAPES]
    + [Job("topk", *shape) for shape in SHAPES]
)


class Case:
    """A job with its files."""

    def __init__(self, job, folder):
        self.job = job
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"v{RECIPE}-{job.n}x{job.d}"
        self.patterns = folder / f"{stem}-patterns.npy"
        self.queries = folder / f"{stem}-{job.b}-queries.npy"
        self.expected_file = folder / f"{stem}-{job.b}-{job.op}{job.steps}-expected.npz"
        if not self.queries.exists():
            self._make_data()
        if not self.expected_file.exists():
            self._make_expected()
        self.expected = dict(np.load(self.expected_file))

    def task(self, **more):
        """The task for a runner."""
        job = self.job
        files = {"patterns": str(self.patterns), "queries": str(self.queries)}
        return {"op": job.op, "beta": job.beta, "steps": job.steps, "k": K, "out": None} | files | more

    def check(self, result):
        """Why the result is wrong, or `None`; and the error or recall that says so."""
        if self.job.op == "topk":
            return self._check_topk(result)
        want = self.expected["states"]
        if result.shape != want.shape:
            return f"wrong shape {result.shape}", None
        error = float(np.abs(result - want).max() / np.abs(want).max())
        allowed = STEP_ERROR if self.job.steps == 1 else STEPS_ERROR
        if not error <= allowed:  # NaN is wrong as well
            return f"wrong result: error {error:.1e} of the largest value, allowed {allowed:.0e}", error
        return None, error

    def _check_topk(self, result):
        if result.shape != (self.job.b, K):
            return f"wrong shape {result.shape}", None
        patterns, queries = np.load(self.patterns), np.load(self.queries)
        found = 0
        for row, query, least in zip(result, queries, self.expected["least"]):
            row = np.unique(row)  # naming the best one ten times finds one
            row = row[(row >= 0) & (row < self.job.n)].astype(np.int64)
            scores = patterns[row].astype(np.float64) @ query.astype(np.float64)
            found += int((scores >= least - TIE).sum())
        recall = found / (self.job.b * K)
        if recall < TOPK_RECALL:
            return f"wrong result: recall {recall:.4f}, wanted {TOPK_RECALL}", recall
        return None, recall

    def _make_data(self):
        """Patterns are random directions, nearly of length 1; queries are some of them with half as much noise."""
        job = self.job
        random = np.random.default_rng([RECIPE, job.n, job.d])
        if not self.patterns.exists():
            save(self.patterns, random.standard_normal((job.n, job.d), np.float32) / math.sqrt(job.d))
        patterns = np.load(self.patterns)
        random = np.random.default_rng([RECIPE, job.n, job.d, job.b])
        noise = random.standard_normal((job.b, job.d), np.float32) / math.sqrt(job.d)
        save(self.queries, patterns[random.choice(job.n, job.b, replace=False)] + 0.5 * noise)

    def _make_expected(self):
        """In f64, a few queries at a time."""
        job = self.job
        patterns = np.load(self.patterns).astype(np.float64)
        queries = np.load(self.queries).astype(np.float64)
        parts = [queries[i : i + 64] for i in range(0, job.b, 64)]
        if job.op == "topk":
            scores = (part @ patterns.T for part in parts)
            least = [np.partition(s, -K, axis=1)[:, -K] for s in scores]
            expected = {"least": np.concatenate(least)}
        else:
            states, largest = zip(*(steps(part, patterns, job) for part in parts))
            expected = {"states": np.concatenate(states), "weight": np.concatenate(largest).mean()}
        save(self.expected_file, expected)


def steps(state, patterns, job):
    """The states after all steps, and the largest weight of each in the first step."""
    largest = None
    for _ in range(job.steps):
        scores = job.beta * (state @ patterns.T)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        largest = weights.max(1) if largest is None else largest
        state = weights @ patterns
    return state, largest


def save(path, values):
    """Whole or not at all, so that a run that was stopped leaves no half file."""
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, **values) if isinstance(values, dict) else np.save(file, values)
    part.rename(path)


def facts(case):
    """What a reader wants to know of a job."""
    job = case.job
    known = {"op": job.op, "b": job.b, "n": job.n, "d": job.d, "steps": job.steps, "flops": job.flops}
    if job.op == "step":
        known |= {"beta": job.beta, "mean_largest_weight": round(float(case.expected["weight"]), 3)}
    else:
        known |= {"k": K}
    return known

