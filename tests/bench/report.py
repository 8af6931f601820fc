"""What the benchmarks share: where things are, what machine this is, watched processes, and the rows of figures.

Not a program. Standard library only.
"""

import argparse
import csv
import datetime
import functools
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target" / "bench"
FIGURES = ROOT / "fixtures" / "bench"
COLUMNS = [
    "date", "commit", "machine", "cores", "what", "n", "d", "pairs", "seconds", "ns_per_pair", "peak_bytes", "note",
]  # fmt: skip
# rows that agree in these are of the same thing: the later one counts
SAME = ["commit", "machine", "what", "n", "d"]

# Settings of OpenBLAS that would hold the peers back by choosing kernels of another processor.
HELD_BACK = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


def arguments(description):
    """A parser of arguments with what all benchmarks take; the description is the program's own documentation."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    # an orderly end, so that what was started ends too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    parser.add_argument("--no-record", action="store_true", help="do not write the figures into fixtures/bench")
    return parser


def numbers(text):
    """The numbers in a list like 10000,50_000."""
    return [int(number) for number in text.split(",")]


def names(text):
    """The names in a list like faiss,scipy."""
    return text.split(",")


def pairs(n):
    """How many pairs n faces make."""
    return n * (n - 1) // 2


def machine():
    """The name of the processor."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())


def git(*command):
    """What git says."""
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True).stdout.strip()


@functools.cache
def commit():
    """The commit when it was first asked for, with a mark if something else than the figures was changed since."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!fixtures/bench")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def print_head():
    """The machine and the commit, for whoever reads the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"machine   {machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}")
    print(f"commit    {commit()}", flush=True)


def row(what, n, d, seconds=None, peak=None, note="", per_pair=False):
    """One row of figures."""
    ns = f"{seconds * 1e9 / pairs(n):.3f}" if per_pair and seconds is not None else ""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "cores": os.cpu_count(),
        "what": what,
        "n": n,
        "d": d,
        "pairs": pairs(n),
        "seconds": "" if seconds is None else f"{seconds:.3f}",
        "ns_per_pair": ns,
        "peak_bytes": "" if peak is None else peak,
        "note": note,
    }


def record(name, rows):
    """Puts rows into fixtures/bench/NAME.csv, in the place of earlier ones of the same thing."""
    path = FIGURES / f"{name}.csv"
    new = [{column: str(value) for column, value in row.items()} for row in rows]
    replaced = {tuple(row[column] for column in SAME) for row in new}
    kept = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            kept = [row for row in csv.DictReader(file) if tuple(row[column] for column in SAME) not in replaced]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept + new)
    print(f"recorded  {len(new)} rows in {path.relative_to(ROOT)}")


def faces(n, dimension, kind="people"):
    """A file of invented faces; made if it is not there. Of one identity a kind `one-identity M` has M images."""
    path = FOLDER / f"{kind.replace(' ', '-')}-{n}x{dimension}.npz"
    least = n * dimension * 4
    # it appears whole or not at all; its names take less than 64 bytes a face
    if path.exists() and least < path.stat().st_size < least + 64 * n + 4096:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "bench", "--quiet", "--bench", "faces", "--", n, dimension, path, "--kind", *kind.split()]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
    return path


def memory(process, field):
    """Bytes that the system counts for a process: VmRSS is what it has in memory, VmHWM the most so far."""
    with open(f"/proc/{process}/status", encoding="ascii") as lines:
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def available():
    """Bytes of memory that a new process can have."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


class Watched:
    """A command that was run to its end in a process of its own.

    `seconds` and `peak` (bytes) are those of the whole process, `output` and `messages` its two streams. `broken` says
    why it was ended early, if it was: it took too long, or nearly all of the memory. The peak is never less than that
    of the process that started it (some MB), for the system counts from there.
    """

    def __init__(self, command, limit):
        environment = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
        self.broken = None
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as messages:
            begun = time.perf_counter()
            command = [str(part) for part in command]
            process = subprocess.Popen(command, stdout=output, stderr=messages, env=environment)
            ended = threading.Event()
            guard = threading.Thread(target=self._guard, args=(process, begun + limit, limit, ended))
            guard.start()
            try:
                _, code, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                raise
            finally:
                ended.set()
                guard.join()
            process.returncode = os.waitstatus_to_exitcode(code)
            self.seconds = time.perf_counter() - begun
            self.peak = usage.ru_maxrss * 1024
            self.code = process.returncode
            output.seek(0)
            messages.seek(0)
            self.output, self.messages = output.read(), messages.read()

    def _guard(self, process, deadline, limit, ended):
        """Ends the process when its time is over, or before the machine has no memory left."""
        reserve = 256 << 20
        while not ended.wait(0.1):
            if time.perf_counter() > deadline:
                self.broken = f"over {limit:.0f} s"
            elif available() < reserve:
                self.broken = "out of memory"
            if self.broken:
                process.kill()
                return

    @property
    def failure(self):
        """Why there is no result, in a line; none if there is one."""
        if self.broken or self.code == 0:
            return self.broken
        return (self.messages.strip() or f"exit code {self.code}").splitlines()[-1]
