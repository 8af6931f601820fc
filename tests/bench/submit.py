"""Clients that submit durable jobs as fast as they are accepted, beside the disk's own rate of syncs.

usage: submit.py FACECLIQUE [--clients 1,16,256] [--seconds 8] [--no-record]

The jobs are FaceClusterings in a queue that is paused, so that only their acceptance is measured: a token leaves when its
job is synced. Before and after each number of clients the disk is measured alone: 4 KiB are appended and
`fdatasync`ed again and again by one thread, on the same file system, and then the same 4 KiB are replaced, which needs no
new length of the file to be written (the store grows its log in steps). At the end the server is killed with SIGKILL and a
new one is asked whether every job that was acknowledged is there.
"""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from report import FOLDER, ROOT, arguments, memory, numbers, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server  # noqa: E402

TARGET = "/action=FaceClustering&database=people"


def client():
    """The program of the clients."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = FOLDER / "submit"
    source = ROOT / "tests" / "bench" / "submit.rs"
    subprocess.run(["rustc", "--edition", "2024", "-O", "-A", "unknown_lints", source, "-o", program], check=True)
    return program


def syncs(folder, seconds=1.5):
    """How many times a second the disk syncs 4 KiB that are appended, and 4 KiB that replace others."""
    path, rates = pathlib.Path(folder) / "syncs", []
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    for step in (4096, 0):
        n, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            os.pwrite(file, b"x" * 4096, n * step)
            os.fdatasync(file)
            n += 1
        rates.append(n / (time.perf_counter() - begun))
    os.close(file)
    path.unlink()
    return rates


def pending(server):
    """How many jobs of the queue wait."""
    found = re.search(r"<name>FaceClustering</name>.*?<pending>(\d+)</pending>", server.ask("GetStatus"), re.DOTALL)
    return int(found.group(1))


def main():
    parser = arguments(__doc__)
    parser.add_argument("faceclique", type=pathlib.Path)
    parser.add_argument("--clients", type=numbers, default=[1, 16, 256])
    parser.add_argument("--seconds", type=int, default=8)
    options = parser.parse_args()
    print_head()
    program, rows, total = client(), [], 0
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        data, config = pathlib.Path(folder) / "data", pathlib.Path(folder) / "faceclique.toml"
        config.write_text("[jobs]\nmax_queue_size = 1000000\n", encoding="utf-8")
        with Server(options.faceclique, data, log_level="warn,faceclique::cli=info", config=config) as server:
            server.ask("CreateFaceDatabase", database="people")
            server.ask("QueueInfo", queuename="FaceClustering", queueaction="pause")
            for clients in options.clients:
                before = syncs(folder)
                command = [program, server.address, TARGET, clients, options.seconds]
                line = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
                words = line.split()
                seen = dict(zip(words[::2], words[1::2], strict=True))
                append, replace = map(statistics.mean, zip(before, syncs(folder), strict=True))
                total += int(seen["accepted"])
                shown = f"{seen['rate']} accepted, p50 {seen['p50']}, p99 {seen['p99']}, max {seen['max']} ms, lost {seen['lost']}, disk alone {append:.0f} appends/s, {replace:.0f} replaced/s"
                print(f"{clients:4} clients  {shown}", flush=True)
                rows.append(
                    row(f"submit {clients} clients", int(seen["accepted"]), 0, float(seen["seconds"]), memory(server.process.pid, "VmHWM"), shown)
                )
            server.process.kill()
        with Server(options.faceclique, data, config=config) as server:
            n = pending(server)
    print(f"acknowledged {total}, there after SIGKILL {n}")
    if n < total:
        sys.exit(f"{total - n} acknowledged jobs are lost")
    if not options.no_record:
        record("submit", rows)


if __name__ == "__main__":
    main()
