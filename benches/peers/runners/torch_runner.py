"""`torch_runner.py chain|sdpa`: PyTorch on the CPU, as the chain product, softmax, product, or as
`scaled_dot_product_attention`, which keeps no scores.
"""

import sys

import torch
from torch.nn.functional import scaled_dot_product_attention

from protocol import serve


def load(patterns, queries):
    return torch.from_numpy(patterns), torch.from_numpy(queries)


def chain(state, patterns, beta):
    return torch.softmax(beta * state @ patterns.T, -1) @ patterns


def sdpa(state, patterns, beta):
    # With batch and head axes: only so it takes its fused kernel.
    keys = patterns[None, None]
    return scaled_dot_product_attention(state[None, None], keys, keys, scale=beta)[0, 0]


FORMS = {"chain": chain, "sdpa": sdpa}


def prepare(task, data):
    patterns, queries = data

    @torch.inference_mode()
    def steps():
        state = queries
        for _ in range(task["steps"]):
            state = form(state, patterns, task["beta"])
        return state.numpy()

    @torch.inference_mode()
    def topk():
        return torch.topk(queries @ patterns.T, task["k"]).indices.numpy()

    return steps if task["op"] == "step" else topk


def note():
    return torch.backends.cpu.get_cpu_capability()


if __name__ == "__main__":
    form = FORMS[sys.argv[1]]
    serve(load, prepare, torch.__version__, torch.get_num_threads, note)
