"""Gradio, started in half its time: what its import and its set-up do for nobody is left out.

Nothing here changes what the page does, and should a later Gradio do without one of these steps, nothing happens here.
Processor seconds of Gradio 6.31, of 2.1 until the page is served: pandas 0.3, the collector 0.2, docstrings 0.1,
routes that nobody asks 0.1; the stubs another second where it may write them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """For as long as Gradio is imported, the page built and the server started; the first to import Gradio."""
    trimmed, later = _Trimmed(), Later("pandas")
    sys.meta_path.insert(0, trimmed)
    if "pandas" not in sys.modules:
        sys.modules["pandas"] = later
    try:
        with uncollected():
            yield
    finally:
        sys.meta_path.remove(trimmed)
        later.leave()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """While hundreds of thousands of objects are made, all to stay: they are not looked through for garbage, now or
    later. Takes a fifth off the time of importing torch and loading the models too."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.enable()


@contextlib.contextmanager
def built_once() -> Iterator[None]:
    """While a page is built: its routes are made once, not at every step of building. Launching makes them anew."""
    from gradio.routes import App

    make: Any = App.create_app
    made: list[Any] = []

    def once(*arguments: Any, **options: Any) -> Any:
        if not made:
            made.append(make(*arguments, **options))
        return made[0]

    App.create_app = staticmethod(once)  # type: ignore[method-assign]
    try:
        yield
    finally:
        App.create_app = staticmethod(make)  # type: ignore[method-assign]


class Later(ModuleType):
    """Stands where a module is looked for, and imports the real one when anything of it is asked for."""

    def leave(self) -> None:
        """The next to import the module gets the real one."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def __getattr__(self, name: str) -> Any:
        self.leave()
        return getattr(importlib.import_module(self.__name__), name)


def _no_stubs(module: Any) -> None:
    """Type stubs would be written beside Gradio's own modules at every import, which fails where they are read-only."""
    if hasattr(module, "create_or_modify_pyi"):
        module.create_or_modify_pyi = lambda *_, **__: None


def _no_docs(module: Any) -> None:
    """A template would be compiled for the docstring of each event of each component."""
    if hasattr(getattr(module, "EventListener", None), "set_doc"):
        module.EventListener.set_doc = lambda *_, **__: None


_TRIMS: dict[str, Callable[[Any], None]] = {"gradio.component_meta": _no_stubs, "gradio.events": _no_docs}


class _Trimmed(MetaPathFinder):
    """Trims some of Gradio's modules right after they were run."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        spec = PathFinder.find_spec(name, path) if name in _TRIMS else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def and_trim(module: ModuleType) -> None:
            run(module)
            _TRIMS[name](module)

        spec.loader.exec_module = and_trim  # type: ignore[method-assign]
        return spec
