"""What was decided over registry.toml, when several decide at once."""

import asyncio
import threading
from typing import Any

import pytest

import fakes
from conftest import REGISTRY
from loupette.management import Management
from loupette.manager import load_plugins
from loupette.registry import build_catalogue
from loupette.store.overrides import Override


def test_what_is_read_last_of_decisions_is_what_counts(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what was read before takes its time; the server decides while it hears of one."""
    (tmp_path / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    plugins = load_plugins(["fakes"])
    engine: Any = type("Engine", (), {"database": type("Database", (), {"reader": None})})()
    engine.catalogue = build_catalogue(plugins.loaded, tmp_path / "registry.toml")
    prices = iter([5, 9])
    may_go_on = threading.Event()

    def read(_: object) -> dict[int, Override]:
        price = next(prices)
        if price == 5:
            may_go_on.wait(1)  # the second reads meanwhile, if it may
        else:
            may_go_on.set()
        return {fakes.ECHO: Override(fakes.ECHO, price, False, 1, "ak_x")}

    async def scenario() -> None:
        management = Management(engine, plugins)
        await asyncio.gather(management.apply_overrides(), management.apply_overrides())

    monkeypatch.setattr("loupette.store.overrides.list_overrides", read)
    asyncio.run(scenario())
    assert engine.catalogue.types[fakes.ECHO].price_micros == 9
