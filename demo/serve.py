"""Starts the page: a temporary folder of its own, no telemetry, models loading behind it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from describer.demo.quick import built_once, quick_start
from describer.errors import InputError

if TYPE_CHECKING:
    from describer.demo.limits import Limits
    from describer.demo.models import Models
    from describer.pipeline import Describer

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# A shorter turn for each thread while the models' libraries are being imported, or the page waits for them.
_SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True)
class Options:
    """What `describer demo` was asked for; ``auth`` is (user, password) or None."""

    host: str = "127.0.0.1"
    port: int = 7860
    share: bool = False
    auth: tuple[str, str] | None = None
    upload_mb: int = 200
    concurrency: int = 1
    save_to: Path | None = None


def parse_auth(text: str | None) -> tuple[str, str] | None:
    """ "USER:PASSWORD" in two; InputError for anything else."""
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (colon and user and password):
        raise InputError("--auth must be USER:PASSWORD.")
    return user, password


def warning(options: Options) -> str | None:
    """What to say when others than this machine's own users can reach the page without a password."""
    if options.auth is not None or (options.host in _LOOPBACK and not options.share):
        return None
    where = "the internet (--share)" if options.share else f"the network (--host {options.host})"
    return f"Warning: anyone on {where} can open this page and send pictures; give --auth USER:PASSWORD."


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder for uploads, removed with all that is in it; Gradio is told to use it, and to stay silent."""
    folder = Path(tempfile.mkdtemp(prefix="describer-demo-")).resolve()
    os.environ.update(
        GRADIO_TEMP_DIR=str(folder),
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_NUM_PORTS="1",
        # Else a table of all events so far is made anew after each, with pandas, for a dashboard that is not shown.
        GRADIO_ANALYTICS_CACHE_FREQUENCY=str(10**9),
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve(load: Callable[[], Describer], options: Options, say: Callable[[str], object], block: bool = True) -> Any:
    """Show the page until it is stopped; with ``block`` False it goes on behind, and (app, url) comes back.

    InputError when the port is taken.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        with quick_start():
            from describer.demo.house import few_heaps, keep_house
            from describer.demo.limits import Limits
            from describer.demo.models import Models

            few_heaps()
            limits = Limits(upload_mb=options.upload_mb)
            models = Models(load, options.concurrency)
            app, url = _launch(models, options, folder, limits)
        stack.callback(app.close, verbose=False)
        sys.setswitchinterval(_SWITCH_S)
        models.start()
        stop = keep_house(app, models, folder, limits)
        stack.callback(stop.set)
        say(f"The page is at {url}")
        if not block:
            stack.pop_all()
            return app, url
        _until_stopped(models)
    return None


def _launch(models: Models, options: Options, folder: Path, limits: Limits) -> tuple[Any, str]:
    """The running page and its address."""
    from describer.demo.app import build_app, css, head, theme
    from describer.demo.events import Settings

    with built_once():
        app = build_app(models, Settings(folder, options.save_to, limits, options.concurrency))
        app.queue(max_size=200)
    try:
        _, url, shared = app.launch(
            server_name=options.host,
            server_port=options.port,
            share=options.share,
            auth=options.auth,
            max_file_size=f"{options.upload_mb}mb",
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            footer_links=["api"],
            ssr_mode=False,
            pwa=False,
            run_history=False,
            state_session_capacity=1000,
            head=head(),
            css=css(),
            theme=theme(),
        )
    except OSError as error:
        raise InputError(f"port {options.port} of {options.host} is taken; give another --port.") from error
    return app, shared or url


def _until_stopped(models: Any) -> None:
    models.wait()
    sys.setswitchinterval(0.005)
    with contextlib.suppress(KeyboardInterrupt):
        import threading

        threading.Event().wait()
