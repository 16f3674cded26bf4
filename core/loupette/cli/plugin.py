"""``loupette plugin check`` and ``loupette plugin new``: for those who write one."""

import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from loupette.cli.output import json_option, print_json, visible
from loupette.errors import PluginError
from loupette.manager import load_plugins
from loupette.scaffold import check_name, check_type_id, choose_type_id, write_plugin
from loupette.settings import Settings
from loupette.sources import find_sources
from loupette.tiers import TIERS, Tier, write_tiers

_COLOURS = {"met": "green", "unmet": "red"}


@click.group()
def plugin() -> None:
    """Write a plugin: begin one, and see how far it conforms."""


@plugin.command()
@click.argument("package", required=False)
@click.option(
    "--tier", type=click.Choice(TIERS), default=TIERS[0], show_default=True, help="What is needed."
)
@click.option("--write", is_flag=True, help="Record the tiers in the package, for the catalogue.")
@json_option
def check(package: str | None, tier: Tier, write: bool, as_json: bool) -> None:
    """Check the types of PACKAGE, or of every installed plugin, and say which tier each reaches.

    PACKAGE is a distribution, a module, or a file. Bronze: it can be served. Silver: it bears any
    image and keeps to its options. Gold: it is also quick, frugal and safe beside others. Exits
    with 1 where a type does not reach --tier.

    \b
    loupette plugin check loupette-dots
    loupette plugin check plugins/dots.py --tier silver --json
    """  # noqa: D301  # click looks for a real backspace
    names = [package] if package else [source.name for source in find_sources()]
    if not names:
        raise click.ClickException("no plugin is installed; name a module or a file")
    reports = [report for name in names for report in _check(name, write=write, quiet=as_json)]
    if as_json:
        print_json({"types": reports})
    if any(_is_below(str(report["tier"]), tier) for report in reports):
        raise SystemExit(1)


@plugin.command()
@click.argument("name")
@click.option("--type-id", type=int, help="From 60000 up; one that is free, if not given.")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Folder in which the package's folder is made (this one).",
)
@click.pass_obj
def new(settings: Settings, name: str, type_id: int | None, into: Path) -> None:
    """Begin a plugin: a package with a solver that works, its sample, tests and CI.

    \b
    loupette plugin new dots                       makes the folder loupette-dots
    """  # noqa: D301  # click looks for a real backspace
    short = check_name(name)
    specs = [spec for one in load_plugins(settings.modules).loaded for spec in one.specs]
    taken = {spec.type_id for spec in specs}
    chosen = choose_type_id(short, taken) if type_id is None else check_type_id(type_id, taken)
    folder = write_plugin(short, chosen, into)
    click.echo(f"{folder} reads type {chosen}; next, in that folder:")
    click.echo("pip install -e '.[test]' && python -m pytest")
    click.echo(f"loupette plugin check loupette-{short}")


def _is_below(reached: str, wanted: Tier) -> bool:
    return reached not in TIERS[TIERS.index(wanted) :]


def _check(package: str, *, write: bool, quiet: bool) -> list[dict[str, object]]:
    from loupette.testing.report import check_type, find_offers, missing_for_next, reached_tier

    reports: list[dict[str, object]] = []
    tiers: dict[int, Tier] = {}
    module = ""
    for offer in find_offers(package):
        findings, module = [], offer.module
        for finding in check_type(package, offer.type_id):
            findings.append(finding)
            if not quiet:
                _show(finding.state, f"{finding.tier:7} {finding.check:12} {finding.message}")
        reached, missing = reached_tier(findings), missing_for_next(findings)
        if reached:
            tiers[offer.type_id] = reached
        if not quiet:
            _summarize(offer.type_id, offer.name, reached, [one.check for one in missing])
        reports.append(
            {
                "type": offer.type_id,
                "name": offer.name,
                "name_en": offer.name_en,
                "tier": reached or "none",
                "missing": [one.check for one in missing],
                "checks": [msgspec.to_builtins(one) for one in findings],
            }
        )
    if write and write_tiers(module, tiers, date=time.strftime("%Y-%m-%d")) is None:
        raise PluginError(f"{package} is a single file; only a package can hold a record")
    return reports


def _show(state: str, line: str) -> None:
    click.echo(click.style(f"{state:6}", fg=_COLOURS[state]) + visible(line))


def _summarize(type_id: int, name: str, reached: Tier | None, missing: Sequence[str]) -> None:
    following = f"; for the next: {', '.join(missing)}" if missing else ""
    click.echo(f"{type_id} {visible(name)}: {reached or 'no tier'}{following}")
