"""Whether scripts take arguments: they are run up to where they have read them.

A process of its own, as it imports what the scripts import, and changes argparse: lists of words
come in as JSON, what is wrong with which goes out. After ``--help`` follow the options that it must
name.
"""

import argparse
import contextlib
import io
import json
import runpy
import sys
from pathlib import Path
from types import ModuleType

_parse_args = argparse.ArgumentParser.parse_args


def _parse_and_end(self: argparse.ArgumentParser, *given: object, **named: object) -> object:
    _parse_args(self, *given, **named)
    raise SystemExit(0)


def find_fault(words: list[str]) -> str | None:
    """Why a script does not take these words."""
    script, *arguments = words
    if "argparse" not in (text := Path(script).read_text()) and "_command(" not in text:
        compile(text, script, "exec")
        return "it takes no arguments" if arguments else None
    demanded = arguments[arguments.index("--help") + 1 :] if "--help" in arguments else []
    sys.argv = [script, *arguments[: len(arguments) - len(demanded)]]
    sys.path[0] = str(Path(script).resolve().parent)
    for name in [name for name, module in sys.modules.items() if _is_of_training(module)]:
        del sys.modules[name]  # another plugin's may have the same name
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        missing = [option for option in demanded if option not in said.getvalue()]
        return said.getvalue() if end.code else ", ".join(missing) or None
    return "it has not read its arguments"


def _is_of_training(module: ModuleType) -> bool:
    return "training" in (getattr(module, "__file__", None) or "").split("/")


if __name__ == "__main__":
    argparse.ArgumentParser.parse_args = _parse_and_end  # type: ignore[assignment]  # ends
    faults = {" ".join(words): find_fault(words) for words in json.load(sys.stdin)}
    print(json.dumps({words: fault for words, fault in faults.items() if fault}))
