"""Hostile bodies over loopback: no 5xx, no hang, memory flat: ``make fuzz``."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import fakes
from chaos.bodies import Bodies
from chaos.memory import FLAT, growth, resident_mib, workers_mib
from chaos.wire import Wire
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.keys import create_key
from serving import Server, serve

CONNECTIONS = 8
SAMPLES = 40
"""Of the memory, over the whole run."""


@dataclass
class Report:
    """What came of it.

    Attributes:
        statuses: replies by status; 0 for a connection that ended without one.
        faults: what must not be: 5xx, no reply in time, a reply that is not as documented.
        server_mib: memory of the server's process, again and again.
        workers_mib: of its workers together.
        seconds: how long it took.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    server_mib: list[float] = field(default_factory=list)
    workers_mib: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def sample(self, server: Server) -> None:
        """Look at the memory once more."""
        self.server_mib.append(resident_mib(server.process.pid))
        self.workers_mib.append(workers_mib(server))

    @property
    def growth(self) -> dict[str, float]:
        """Of the memory, once warm."""
        return {"server": growth(self.server_mib), "workers": growth(self.workers_mib)}

    def record(self, *, command: str) -> dict[str, object]:
        """What is written down of a run."""
        return {
            "command": command,
            "date": f"{date.today()}",
            "seconds": round(self.seconds),
            "replies": {str(status): count for status, count in sorted(self.statuses.items())},
            "faults": self.faults,
            "growth": {name: round(share, 4) for name, share in self.growth.items()},
            "server_mib": [round(mib, 1) for mib in self.server_mib],
            "workers_mib": [round(mib, 1) for mib in self.workers_mib],
        }


async def fuzz(server: Server, key: str, *, bodies: int, seed: int) -> Report:
    """Send so many requests over a few connections."""
    report = Report()
    source = Bodies(key, seed=seed)
    left = iter(range(bodies))
    begun_s = time.monotonic()

    async def send() -> None:
        wire = Wire(server.port)
        for number in left:
            if number % max(1, bodies // SAMPLES) == 0:
                report.sample(server)
            await send_one(wire, source.next(), report)
        await wire.close()

    async with asyncio.TaskGroup() as senders:
        for _ in range(CONNECTIONS):
            senders.create_task(send())
    report.seconds = time.monotonic() - begun_s
    return report


async def send_one(wire: Wire, request: bytes, report: Report) -> None:
    """Send one request, and note what came of it."""
    try:
        answer = await wire.send(request)
    except TimeoutError:
        report.faults.append(f"no reply to {request[:2000]!r}")
        return
    report.statuses[answer.status] += 1
    if answer.status == 0:
        report.faults.append(f"the connection ended without a reply to {request[:2000]!r}")
    elif answer.status >= 500:
        report.faults.append(f"{answer.status} for {request[:2000]!r}: {answer.body[:300]!r}")
    elif answer.body.startswith(b"{") and json.loads(answer.body).get("code") != answer.status:
        report.faults.append(f"{answer.status} with {answer.body[:300]!r}")


def settings_in(folder: Path) -> Settings:
    """A server with the type that answers everything it can decode; slow senders are cut soon."""
    registry = folder / "registry.toml"
    registry.write_text(f"[types.{fakes.ECHO}]\nprice = 0.000001\n", encoding="utf-8")
    return Settings(
        database=folder / "fuzz.db",
        registry=registry,
        workers=2,
        body_timeout_s=0.5,
        plugins=("fakes",),
    )


def rich_key(database: Path) -> str:
    """A key with money and rate for everything."""
    with Database.open(database) as opened:
        made = create_key(opened, "fuzz", opening_micros=10**12, rate=10**6, now_ms=0)
    return made.secret


def main() -> None:
    """Exit with 1 if the server showed a fault, or its memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file for what came of it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        key = rich_key(settings.database)
        with (
            (Path(folder) / "messages").open("wb") as messages,
            serve(settings, messages=messages) as server,
        ):
            server.wait_until_ready()
            done = asyncio.run(fuzz(server, key, bodies=arguments.bodies, seed=arguments.seed))
    print(f"{arguments.bodies} bodies in {done.seconds:.0f} s, seed {arguments.seed}")
    print("replies by status:", dict(sorted(done.statuses.items())))
    for name, grown in done.growth.items():
        print(f"memory of the {name}: {grown:+.1%} from the second quarter to the last")
    print("server MiB:", *(f"{mib:.0f}" for mib in done.server_mib))
    print("workers MiB:", *(f"{mib:.0f}" for mib in done.workers_mib))
    for fault in done.faults[:20]:
        print(fault)
    print(f"{len(done.faults)} faults")
    if arguments.json:
        made = done.record(command=f"make fuzz BODIES={arguments.bodies} SEED={arguments.seed}")
        arguments.json.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(done.faults) or max(done.growth.values()) > FLAT)


if __name__ == "__main__":
    main()
