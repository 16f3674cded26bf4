"""``loupette doctor``."""

from dataclasses import asdict

import click

from loupette.cli.output import json_option, print_json, visible
from loupette.doctor import Finding, examine
from loupette.settings import Settings

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command()
@json_option
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check Python, processor, packages, plugins, samples, database and disk; change nothing.

    What is not ok says what it means and how to mend it. A running server is not disturbed.
    Exits with 1 when a check failed.

    \b
    loupette doctor
    loupette --database /srv/loupette.db doctor --json
    """  # noqa: D301  # click looks for a real backspace
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            _show(finding)
    is_well = all(finding.state != "failed" for finding in findings)
    if as_json:
        print_json({"ok": is_well, "checks": [asdict(finding) for finding in findings]})
    if not is_well:
        raise SystemExit(1)


def _show(finding: Finding) -> None:
    state = click.style(f"{finding.state:8}", fg=_COLOURS[finding.state])
    mend = f" | mend: {finding.mend}" if finding.mend else ""
    click.echo(f"{state}{visible(f'{finding.check:13}{finding.message}{mend}')}")
