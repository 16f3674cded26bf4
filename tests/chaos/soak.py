"""An ordinary day's load for as long as you like: memory flat, ledger clean, no 5xx: ``make soak``.

Callers ask at random moments, at a fixed rate together, for every served type with its own sample;
some send what cannot be read, repeat themselves, or look at their balance and their log.
"""

import argparse
import asyncio
import base64
import csv
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.request import urlopen

from chaos.curves import draw_curves
from chaos.fuzz import rich_key
from chaos.memory import FLAT, growth, resident_mib, workers_mib
from chaos.wire import Wire, request
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.ledger import verify
from serving import Server, serve

CALLERS = 8
ROOT = Path(__file__).parents[2]
_SOLVE = "/api/v1/captcha.php"


@dataclass(frozen=True)
class Sample:
    """What was measured at one moment, of the seconds since the one before."""

    seconds: float
    requests: int
    p50_ms: float
    p99_ms: float
    server_mib: float
    workers_mib: float
    open_holds: int


@dataclass
class Run:
    """All that was seen: samples, replies by status, requests that got none, holds at the end."""

    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    open_holds: int = 0
    _latencies_ms: list[float] = field(default_factory=list)

    def note(self, status: int, ms: float) -> None:
        """Count one reply."""
        self.statuses[status] += 1
        self._latencies_ms.append(ms)

    def sample(self, server: Server, seconds: float) -> None:
        """Look at the server, and begin to collect anew."""
        taken, self._latencies_ms = sorted(self._latencies_ms) or [0.0], []
        self.samples.append(
            Sample(
                round(seconds, 1),
                len(taken),
                round(statistics.median(taken), 1),
                round(taken[int(len(taken) * 0.99)], 1),
                round(resident_mib(server.process.pid), 1),
                round(workers_mib(server), 1),
                int(server.metric("loupette_open_holds")),
            )
        )

    def breaches(self) -> list[str]:
        """What must not be."""
        found = [f"{n} replies {status}" for status, n in self.statuses.items() if status >= 500]
        if self.unanswered:
            found.append(f"{self.unanswered} requests without a reply")
        if lost := self.statuses[0]:
            found.append(f"{lost} connections that ended without a reply")
        if self.open_holds:
            found.append(f"{self.open_holds} holds open at the end")
        server = growth([sample.server_mib for sample in self.samples])
        workers = growth([sample.workers_mib for sample in self.samples])
        for name, grown in {"server": server, "workers": workers}.items():
            if grown > FLAT:
                found.append(f"memory of the {name}: {grown:+.1%} from the second quarter on")
        return found


class Mix:
    """The requests of callers, in the shares of `next`."""

    def __init__(self, key: str, images: dict[int, str], *, seed: int) -> None:
        self._key = ("X-API-Key", key)
        self._rng = random.Random(seed)
        self._images = images

    def pause_s(self, rate: float) -> float:
        """Until one caller's next request, if all callers together send at that rate."""
        return self._rng.expovariate(rate / CALLERS)

    def next(self) -> bytes:
        """One request."""
        type_id = self._rng.choice(list(self._images))
        image = self._images[type_id]
        match self._rng.randrange(20):
            case 0:
                return self._get("/api/v1/balance")
            case 1:
                return self._get("/api/v1/logs?limit=50")
            case 2:
                return self._post({"type": type_id, "image": image[: len(image) // 2]})
            case 3:
                name = f"repeat-{self._rng.randrange(10**6) // 2}"
                return self._post({"type": type_id, "image": image}, ("Idempotency-Key", name))
            case 4:
                return self._post({"image": image})
        return self._post({"type": type_id, "image": image})

    def _get(self, path: str) -> bytes:
        return request(path, method="GET", headers=(self._key,))

    def _post(self, body: dict[str, object], *more: tuple[str, str]) -> bytes:
        headers = (self._key, ("Content-Type", "application/json"), *more)
        return request(_SOLVE, json.dumps(body).encode(), headers=headers)


async def soak(
    server: Server,
    mix: Mix,
    *,
    seconds: float,
    rate: float,
    every_s: float,
    print_: bool = False,
) -> Run:
    """Keep the load up, and sample."""
    run, begun_s = Run(), time.monotonic()

    async def call() -> None:
        wire = Wire(server.port)
        while time.monotonic() - begun_s < seconds:
            await asyncio.sleep(mix.pause_s(rate))
            asked_s = time.monotonic()
            try:
                answer = await wire.send(mix.next())
            except TimeoutError:
                run.unanswered += 1
                continue
            run.note(answer.status, (time.monotonic() - asked_s) * 1000)
        await wire.close()

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(call())
        while (passed_s := time.monotonic() - begun_s) < seconds:
            await asyncio.sleep(min(every_s, seconds - passed_s))
            await asyncio.to_thread(run.sample, server, time.monotonic() - begun_s)
            if print_:
                print(*asdict(run.samples[-1]).values(), sep="\t", flush=True)
    run.open_holds = int(await asyncio.to_thread(server.metric, "loupette_open_holds"))
    return run


def samples_of(server: Server) -> dict[int, str]:
    """The sample image of each served type, in base64."""
    url = f"http://127.0.0.1:{server.port}"
    with urlopen(f"{url}/api/v1/types") as reply:
        served = [entry["type"] for entry in json.load(reply)["data"]["types"]]
    images = {}
    for type_id in served:
        with urlopen(f"{url}/types/{type_id}/sample") as reply:
            images[type_id] = base64.b64encode(reply.read()).decode()
    return images


def write(run: Run, folder: Path) -> None:
    """Save the samples as CSV and as curves."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [field.name for field in fields(Sample)]
    rows = [list(asdict(sample).values()) for sample in run.samples]
    with (folder / "soak.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    drawing = draw_curves(columns.pop("seconds"), columns)
    (folder / "soak.svg").write_text(drawing, encoding="utf-8")


def main() -> None:
    """Exit with 1 if anything was that must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=40, help="requests a second (40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/soak"), help="(build/soak)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database=Path(folder) / "soak.db", registry=ROOT / "registry.toml", workers=2
        )
        key = rich_key(settings.database)
        with serve(settings) as server:
            server.wait_until_ready()
            mix = Mix(key, samples_of(server), seed=arguments.seed)
            print(*(field.name for field in fields(Sample)), sep="\t")
            seconds = arguments.minutes * 60
            run = asyncio.run(
                soak(
                    server,
                    mix,
                    seconds=seconds,
                    rate=arguments.rate,
                    every_s=5,
                    print_=True,
                )
            )
        with Database.open(settings.database) as database:
            problems = verify(database).problems
    write(run, arguments.out)
    print("replies by status:", dict(sorted(run.statuses.items())))
    breaches = [*run.breaches(), *map(str, problems)]
    print(*(breaches or ["memory flat, ledger clean, no 5xx"]), sep="\n")
    sys.exit(bool(breaches))


if __name__ == "__main__":
    main()
