"""A page served on a free port of this machine, for tests."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from describer.demo.serve import Options, serve


class Page:
    """Served while the context lasts; ``uploads`` is its folder of uploads."""

    def __init__(self, load: Callable[[], Any], **options: Any) -> None:
        self._load, self._options = load, Options(port=free_port(), **options)

    def __enter__(self) -> Page:
        self._before = dict(os.environ)
        self.app, self.url = serve(self._load, self._options, lambda _: None, block=False)
        self.uploads = Path(os.environ["GRADIO_TEMP_DIR"])
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close(verbose=False)
        shutil.rmtree(self.uploads, ignore_errors=True)
        os.environ.clear()
        os.environ.update(self._before)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
