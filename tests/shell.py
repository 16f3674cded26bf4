"""Lines of a document in a shell, as whoever reads it types them in."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def begin(
    commands: str, folder: Path, *, within_s: int, programs: Sequence[Path] = (), **variables: str
) -> "subprocess.Popen[str]":
    """Run commands apart from any terminal, until one fails; what they say is one stream.

    Args:
        commands: a line, or more.
        folder: where.
        within_s: after which they are ended.
        programs: folders of programs, beside those of this environment.
        variables: of their environment.
    """
    path = os.pathsep.join(map(str, (Path(sys.executable).parent, *programs, os.environ["PATH"])))
    ours = {"PATH": path, "PYTHONUNBUFFERED": "1", "LOUPETTE_WORKERS": "1"}
    return subprocess.Popen(
        ["timeout", str(within_s), "bash", "-ec", commands],
        cwd=folder,
        env=os.environ | ours | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
