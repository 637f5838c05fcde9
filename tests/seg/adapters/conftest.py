"""Imports peft once, before any test is timed: it takes seconds."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.fixture(scope="session", autouse=True)
def imported_peft() -> None:
    import_module("peft")
