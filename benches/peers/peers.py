"""The peers, and a runner process that is given tasks."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Built things, data and logs: all that a checkout need not keep.
WORK = ROOT / "target" / "peers"

# They pin OpenBLAS to kernels of an older processor, or to sizes that are not this machine's.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Peer:
    """A way to do the jobs."""

    name: str
    # Which peers it stands beside: all on the CPU, or all on the software adapter.
    group: str
    # A script in `runners/`, or a program of the workspace `rust/`.
    program: str
    argument: str | None = None
    ops: tuple = ("step", "topk")
    # Its name in `rust/Cargo.lock`.
    crate: str | None = field(default=None, kw_only=True)

    def command(self):
        """What to start, or why it cannot be."""
        if self.program.endswith(".py"):
            command = [sys.executable, str(HERE / "runners" / self.program)]
        else:
            path = WORK / "release" / (self.program + (".exe" if os.name == "nt" else ""))
            if not path.exists():
                raise Refused("its runner is not built: `cargo xtask peers` builds it")
            command = [str(path)]
        return command + ([self.argument] if self.argument else [])

    def version(self):
        """The version of its crate, where it has one."""
        if not self.crate:
            return None
        lock = tomllib.loads((HERE / "rust" / "Cargo.lock").read_text())
        return next(p["version"] for p in lock["package"] if p["name"] == self.crate)


# The first of a group is ours, to which the others are compared.
ALL = [
    Peer("attractor", "cpu", "attractor-runner", "cpu", crate="attractor"),
    Peer("numpy", "cpu", "numpy_runner.py"),
    Peer("jax", "cpu", "jax_runner.py"),
    Peer("torch-softmax", "cpu", "torch_runner.py", "chain"),
    # Without a softmax the two forms are the same, so only one of them does top-k.
    Peer("torch-sdpa", "cpu", "torch_runner.py", "sdpa", ops=("step",)),
    Peer("faiss", "cpu", "faiss_runner.py", ops=("topk",)),
    Peer("attractor-software", "software", "attractor-runner", "software", crate="attractor"),
    Peer("burn-softmax", "software", "burn-runner", "chain", crate="burn"),
    Peer("burn-attention", "software", "burn-runner", "attention", ops=("step",), crate="burn"),
    Peer("tinygrad", "software", "tinygrad_runner.py"),
]


class Refused(Exception):
    """A peer that failed, refused or took too long, and how it said so."""


class Runner:
    """A process that holds data and computes. It starts at its first task, and again after a failure."""

    def __init__(self, peer):
        self.peer = peer
        self.process = None

    def ask(self, task, seconds):
        """The answer to a task, for which it may take so many seconds."""
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(json.dumps(task) + "\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=seconds)
        except queue.Empty:
            self.close()
            raise Refused(f"gave no result within {seconds:.0f} s") from None
        except OSError:
            line = ""
        if not line:
            status = self.process.wait()
            self.close()
            raise Refused(f"its process ended with status {status}: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            # Nobody knows what a failure leaves behind; the next task gets a fresh process.
            self.close()
            raise Refused(plain(answer["error"]))
        return answer

    def close(self):
        """Ends the process, also in the middle of its work."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def _start(self):
        logs = WORK / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log_file = logs / f"{self.peer.name}.log"
        environment = {name: value for name, value in os.environ.items() if name not in UNSET}
        # Mesa's device-selection layer complains about a missing display on every start.
        environment["NODEVICE_SELECT"] = "1"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = self.peer.command()
        self.log = open(self.log_file, "w")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            # In that folder, because some peers keep what they tuned where they are started.
            command, cwd=WORK, stdin=pipe, stdout=pipe, stderr=self.log, text=True, env=environment
        )
        self.answers = queue.Queue()
        # A thread, because a pipe cannot be read with a time limit on every system.
        threading.Thread(target=forward, args=(self.process.stdout, self.answers), daemon=True).start()

    def _last_words(self):
        """What it said last that reads like a reason."""
        lines = [line for line in self.log_file.read_text(errors="replace").splitlines() if line.strip()]
        reasons = [line for line in lines if re.search("error|panic|fail|abort", line, re.IGNORECASE)]
        return plain((reasons or lines or ["it said nothing"])[-1])


def forward(stream, answers):
    """Lines of a process, then an empty one at its end."""
    try:
        for line in stream:
            answers.put(line)
    except ValueError:
        pass  # the stream was closed on our side
    answers.put("")


def plain(message):
    """One line without the folders of this machine, and not too long."""
    folders = r"(?<![\w.:/])(?:[A-Za-z]:)?(?:[/\\][\w.+@~-]+)+[/\\]"
    message = re.sub(folders + r"(?=[\w.+-])", "", " ".join(message.split()))
    # The cause may stand at either end.
    return message if len(message) <= 400 else f"{message[:200]} ... {message[-200:]}"
