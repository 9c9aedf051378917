"""faiss-cpu's exact index of inner products. It has no softmax step."""

import faiss

from protocol import serve


def load(patterns, queries):
    index = faiss.IndexFlatIP(patterns.shape[1])
    index.add(patterns)
    return index, queries


def prepare(task, data):
    if task["op"] != "topk":
        raise ValueError("it has no softmax step")
    index, queries = data
    return lambda: index.search(queries, task["k"])[1]


def note():
    return faiss.get_compile_options().strip()


if __name__ == "__main__":
    serve(load, prepare, faiss.__version__, faiss.omp_get_max_threads, note)
