"""``loupette cluster``."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import click

from loupette.cli.output import json_option, print_rows
from loupette.cluster.trial import Trial, read_trial
from loupette.settings import Settings
from loupette.wording import counted

_UP_WITHIN_S = 180.0
_DOWN_WITHIN_S = 60.0
_TOLD_WITHIN_S = 120.0
_POLL_S = 0.1

_file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    default=Path("loupette-cluster.json"),
    show_default=True,
    help="Tells where the cluster is, while it runs.",
)


@click.group()
def cluster() -> None:
    """Solvers on the machines of a Ray cluster: try it, look at it."""
    if find_spec("ray") is None:
        raise click.ClickException("there is no Ray here; pip install 'loupette[cluster]'")


@cluster.command()
@_file_option
def up(file: Path) -> None:
    """Start a cluster of two nodes on this machine, for trials: Ray listens on every address.

    \b
    loupette cluster up
    LOUPETTE_RAY_ADDRESS=127.0.0.1:6379 loupette serve      with the address that `up` shows
    """  # noqa: D301  # click looks for a real backspace
    if trial := read_trial(file):
        raise click.ClickException(f"{file}: a cluster runs at {trial.address}")
    file.unlink(missing_ok=True)
    with file.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "loupette.cluster.trial", str(file)],
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},  # it tells its makers, else
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    trial = _wait_up(process, file)
    click.echo(f"a cluster of {counted(len(trial.raylets), 'node')} runs at {trial.address}")


def _wait_up(process: "subprocess.Popen[bytes]", file: Path) -> Trial:
    deadline_s = time.monotonic() + _UP_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if trial := read_trial(file):
            return trial
        time.sleep(_POLL_S)
    process.terminate()
    raise click.ClickException(f"it does not start; {file.with_suffix('.log')} says why")


@cluster.command()
@_file_option
@json_option
@click.pass_obj
def status(settings: Settings, file: Path, as_json: bool) -> None:
    """Show the nodes of a cluster, each with its workers by type.

    Of the cluster that `up` started, or else the one in LOUPETTE_RAY_ADDRESS.
    """
    trial = read_trial(file)
    address = trial.address if trial else settings.ray_address
    command = [sys.executable, "-m", "loupette.cluster.status", address]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TOLD_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise click.ClickException(f"the cluster at {address} does not answer") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise click.ClickException(f"no Ray cluster at {address}: {why}")
    rows = json.loads(done.stdout)
    if not as_json:
        for row in rows:
            row["workers"] = [f"{type_id}: {count}" for type_id, count in row["workers"].items()]
    print_rows(rows, as_json=as_json)


@cluster.command()
@_file_option
def down(file: Path) -> None:
    """End the cluster that `up` started."""
    trial = read_trial(file)
    if trial is None:
        raise click.ClickException(f"{file}: no cluster runs")
    descriptor = os.pidfd_open(trial.pid)
    try:
        os.kill(trial.pid, signal.SIGTERM)
        if not select.select([descriptor], [], [], _DOWN_WITHIN_S)[0]:
            raise click.ClickException(f"process {trial.pid} does not end")
    finally:
        os.close(descriptor)
    click.echo(f"the cluster at {trial.address} has ended")
