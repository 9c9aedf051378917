"""JAX on the CPU: the whole job, however many steps, is one compiled function."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from protocol import serve


def load(patterns, queries):
    return jax.block_until_ready((jnp.asarray(patterns), jnp.asarray(queries)))


def prepare(task, data):
    job = steps(task["steps"]) if task["op"] == "step" else topk(task["k"])
    patterns, queries = data
    beta = jnp.float32(task["beta"])
    return lambda: np.asarray(job(patterns, queries, beta).block_until_ready())


# Kept, so that a job is compiled once and not for each task.
COMPILED = {}


def steps(count):
    def job(patterns, state, beta):
        for _ in range(count):
            state = jax.nn.softmax(beta * state @ patterns.T, axis=-1) @ patterns
        return state

    return COMPILED.setdefault(("step", count), jax.jit(job))


def topk(k):
    def job(patterns, queries, _beta):
        return jax.lax.top_k(queries @ patterns.T, k)[1]

    return COMPILED.setdefault(("topk", k), jax.jit(job))


def note():
    return f"jaxlib {jax.lib.__version__}, {jax.devices()[0].device_kind}"


if __name__ == "__main__":
    # XLA takes a thread for each processor that this process may use, and does not say so.
    serve(load, prepare, jax.__version__, lambda: len(os.sched_getaffinity(0)), note)
