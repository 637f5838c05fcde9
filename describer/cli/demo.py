"""`describer demo`: the page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from describer.pipeline import Describer


def demo(
    scene_model: Annotated[
        str, typer.Option(help="'embedded', or a folder made by describer train scene.")
    ] = "embedded",
    vlm: Annotated[
        str, typer.Option(help="'embedded', 'echo', 'openai' (see --base-url), a local folder, or a hub id.")
    ] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm: folder or hub id.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    base_url: Annotated[
        str | None,
        typer.Option(help="Of --vlm openai: any OpenAI-compatible server, as http://127.0.0.1:8000/v1."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The server's model; default its only one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    share: Annotated[bool, typer.Option("--share", help="Open a public link through Gradio's servers.")] = False,
    auth: Annotated[
        str | None,
        typer.Option(metavar="USER:PASSWORD", envvar="DESCRIBER_DEMO_AUTH", help="What visitors must type to come in."),
    ] = None,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest picture or video that is taken.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Frames described at once; others wait in a queue.")] = 1,
    save_to: Annotated[
        Path | None, typer.Option(help="Folder that visitors may save corrected frames to, for describer train.")
    ] = None,
) -> None:
    """Drop a frame into a page, read what is seen, ask, correct and download.

    \b
      describer demo
      describer demo --vlm Qwen/Qwen3-VL-4B-Instruct --adapter my-lora --device cuda
      describer demo --host 0.0.0.0 --auth surgeon:secret --save-to corrected

    The page opens at once and the models load behind it. It asks nothing of any other server but the one of
    --base-url, and keeps nothing: uploads are removed when they have been read, at the latest after 15 minutes.
    Only --save-to lets visitors store frames, in that folder, and only those they choose. For use beyond this
    machine give --auth, and put a server that speaks HTTPS in front.

    For research and annotation, not for clinical decisions.
    """
    from describer.demo.serve import Options, parse_auth, serve, warning

    options = Options(host, port, share, parse_auth(auth), max_upload_mb, concurrency, save_to)
    told = warning(options)
    if told:
        typer.echo(told, err=True)

    def load() -> Describer:
        from describer.pipeline import Describer
        from describer.vlm import ServerOptions

        server = ServerOptions(base_url, model) if base_url else None
        describer = Describer(scene_model, vlm, adapter, device, server=server)
        # Drawn on the page where the model has it; the record stays the same.
        describer.depth = describer.scene_model.model.depth is not None
        return describer

    serve(load, options, lambda text: typer.echo(text, err=True))
