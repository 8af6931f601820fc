"""The review page over 100,000 faces: how soon each page begins and ends, and how large it is.

usage: page.py FACECLIQUE [--faces 100000] [--identities 10000] [--dimension 128] [--decisions 2000] [--rounds 5]
               [--note TEXT] [--no-record]

The faces are invented by this program, with names that are wrong: of every hundred images one is filed under another
identity, of every hundred identities one goes by two names, and of every two hundred images one is a near copy. They are
imported, clustered twice, the second time with an audit, and decisions are made. A page is timed from the request to the
first byte of its content and to the last, as a browser asks for it but without compression, and so is the processor's time
that the server spends on it, which says the same on a busy machine. `first` is a page that is asked for when the server
has not yet read the result, or has not yet computed other thresholds. The limits are 200 ms of the processor and 100,000
bytes; a page beyond one is marked. Exports and the report are no pages and have none.
"""

import array
import concurrent.futures
import http.client
import io
import math
import pathlib
import random
import re
import statistics
import sys
import tempfile
import time
import urllib.parse
import zipfile

from report import FOLDER, ROOT, arguments, memory, print_head, record, row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from main_job import Server, token  # noqa: E402

SECONDS = 0.2
BYTES = 100_000
N_CLIENTS = 16
THRESHOLDS = {"clusterthreshold": 72.5, "outputthreshold": 70}


def npy(shape, kind, content):
    """An array as NumPy writes it."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + content


def texts(names):
    """The same of texts."""
    longest = max(map(len, names))
    return npy(f"({len(names)},)", f"<U{longest}", b"".join(name.ljust(longest, "\0").encode("utf-32-le") for name in names))


def invent(path, n, n_identities, dimension):
    """Writes a file of faces, the same in every run."""
    chance = random.Random(100_000)
    pool = array.array("d", (chance.gauss(0, 1 / math.sqrt(dimension)) for _ in range(1 << 20)))

    def direction():
        at = chance.randrange(len(pool) - dimension)
        sign = chance.choice([-1, 1])
        return [sign * value for value in pool[at : at + dimension]]

    centres = [direction() for _ in range(n_identities)]
    rows, identifiers, labels = array.array("f"), [], []
    before = None
    for at in range(n):
        person = at * n_identities // n
        filed = f"person {person:05}"
        fate = chance.random()
        if fate < 0.01:
            filed = f"person {chance.randrange(n_identities):05}"
        elif person % 100 == 7 and at % 2:
            filed += " (other name)"
        spread = 0.02 if before and fate > 0.995 else chance.uniform(0.5, 1.0)
        start = before if spread < 0.1 else centres[person]
        numbers = [a + spread * b for a, b in zip(start, direction())]
        length = math.sqrt(sum(value * value for value in numbers))
        before = [value / length for value in numbers]
        rows.extend(before)
        identifiers.append(filed)
        labels.append(f"image {at:06}")
    if sys.byteorder == "big":
        rows.byteswap()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("embeddings.npy", npy(f"({n}, {dimension})", "<f4", rows.tobytes()))
        file.writestr("identifiers.npy", texts(identifiers))
        file.writestr("imagelabels.npy", texts(labels))
    return list(zip(identifiers, labels))


def decide(address, images, n):
    """Lets people say of so many images that their labels are right."""

    def share(some):
        connection = http.client.HTTPConnection(address)
        for identifier, label in some:
            names = {"database": "people", "identifier": identifier, "imagelabel": label}
            connection.request("GET", "/?" + urllib.parse.urlencode({"action": "AddDecision", "decision": "labelright", **names}))
            if b"SUCCESS" not in connection.getresponse().read():
                sys.exit("a decision was refused")

    chosen = images[:: max(len(images) // n, 1)][:n]
    with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
        list(pool.map(share, (chosen[at::N_CLIENTS] for at in range(N_CLIENTS))))


def get(address, target):
    """Seconds to the first byte of the content and to the last, and the content."""
    connection = http.client.HTTPConnection(address, timeout=600)
    begun = time.perf_counter()
    connection.request("GET", target, headers={"Accept": "text/html"})
    response = connection.getresponse()
    first = response.read(1)
    began = time.perf_counter() - begun
    content = io.BytesIO(first)
    content.seek(0, 2)
    content.write(response.read())
    took = time.perf_counter() - begun
    connection.close()
    if response.status != 200:
        sys.exit(f"{target}: {response.status} {content.getvalue()[:500]}")
    return began, took, content.getvalue()


def busy(process):
    """Seconds that the threads of a process have been at work."""
    times = (task / "schedstat" for task in pathlib.Path(f"/proc/{process}/task").iterdir())
    return sum(int(time.read_text(encoding="ascii").split()[0]) for time in times) / 1e9


class Pages:
    """Times pages and keeps the rows of figures."""

    def __init__(self, server, options):
        self.server, self.options, self.rows, self.beyond = server, options, [], []

    def note(self, what, target, rounds=None, limits=True):
        """Times one of them and gives its text."""
        times = []
        for _ in range(rounds or self.options.rounds):
            before = busy(self.server.process.pid)
            began, took, content = get(self.server.address, target)
            times.append((began, took, busy(self.server.process.pid) - before))
        began, took, worked = (statistics.median(column) for column in zip(*times))
        judged = {"slow": worked > SECONDS, "large": len(content) > BYTES} if limits else {}
        beyond = [word for word, is_so in judged.items() if is_so]
        figures = f"first byte {began * 1000:.1f} ms; processor {worked * 1000:.1f} ms; {len(content)} bytes"
        note = "; ".join([figures, *filter(None, [self.options.note]), *beyond])
        print(f"{what:36} {took * 1000:8.1f} ms  {note}", flush=True)
        self.beyond += [what] if beyond else []
        peak = memory(self.server.process.pid, "VmHWM")
        self.rows.append(row(what, self.options.faces, self.options.dimension, took, peak, note))
        return content.decode()


def look(pages, job, before):
    """Looks at every kind of page."""
    result = f"/review/result/{job}"
    pages.note("databases and jobs", "/review")
    pages.note("jobs.json", "/review/jobs.json")
    pages.note("result, first", result, rounds=1)
    pages.note("result", result)
    pages.note("result, last page", f"{result}?page=999999")
    pages.note("result, weakest of all, page 100", f"{result}?show=all&order=weakest&page=100")
    pages.note("result, several identities", f"{result}?show=mixed")
    pages.note("result, single images", f"{result}?show=single")
    pages.note("result, search", f"{result}?find=09999")
    pages.note("largest cluster", f"{result}/cluster/1")
    pages.note("audit, first", f"{result}/audit", rounds=1)
    audit = pages.note("audit", f"{result}/audit")
    pages.note("audit, page 2", f"{result}/audit?page=2")
    pages.note("audit, last page", f"{result}/audit?page=999999")
    for kind in re.findall(r'audit\?kind=(\w+)"', audit):
        pages.note(f"audit, {kind}", f"{result}/audit?kind={kind}")
    pages.note("threshold, first", f"{result}/threshold", rounds=1)
    pages.note("threshold", f"{result}/threshold")
    pages.note("threshold, slider higher", f"{result}/threshold.json?at=80")
    pages.note("threshold, slider lower", f"{result}/threshold.json?at=70.5")
    pages.note("sweep", f"{result}/sweep")
    pages.note("sweep, 101 thresholds", f"{result}/sweep?from=70&to=90&step=0.2")
    pages.note("sweep of another, first", f"/review/result/{before}/sweep", rounds=1)
    pages.note("changes, first", f"{result}/changes", rounds=1)
    pages.note("changes", f"{result}/changes")
    decisions = pages.note("decisions", "/review/decisions")
    found = re.search(r'href="(/review/decisions\?decisions=[^"#]*)[^"]*"', decisions)
    if found:
        pages.note("decisions, next page", found.group(1).replace("&amp;", "&"))
        pages.note("decisions, last page", "/review/decisions?decisions=20")
    pages.note("picture", f"/review/image/{job}/0")
    for kind in ["export.csv", "export.json", "report.html"]:
        pages.note(kind, f"{result}/{kind}", rounds=1, limits=False)


def main():
    parser = arguments(__doc__)
    parser.add_argument("faceclique", type=pathlib.Path)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--identities", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--decisions", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--note", help="what else is to be said of the figures, such as the profile of the program")
    options = parser.parse_args()
    print_head()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        folder = pathlib.Path(folder)
        images = invent(folder / "faces.npz", options.faces, options.identities, options.dimension)
        config = folder / "faceclique.toml"
        config.write_text(f'[paths]\nallowed_input_directories = ["{folder}"]\n', encoding="utf-8")
        with Server(options.faceclique, folder / "data", config=config) as server:
            server.finished("ImportFaceDatabase", token(server.ask("ImportFaceDatabase", database="people", dbpath=str(folder / "faces.npz"))))
            decide(server.address, images, options.decisions)
            runs = []
            for more in ({}, {"audit": "true", "respectdecisions": "true"}):
                job = token(server.ask("FaceClustering", database="people", **THRESHOLDS, **more))
                while re.search("<status>(Queued|Processing)</status>", server.ask(
                    "QueueInfo", queuename="FaceClustering", queueaction="getstatus", token=job, resultmaxclusters=0
                )):
                    time.sleep(0.2)
                runs.append(job)
        # a server that has looked at nothing yet
        with Server(options.faceclique, folder / "data", config=config) as server:
            pages = Pages(server, options)
            look(pages, runs[1], runs[0])
    print("beyond the limits: " + (", ".join(pages.beyond) or "none"))
    if not options.no_record:
        record("page", pages.rows)


if __name__ == "__main__":
    main()
