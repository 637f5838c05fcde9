"""The `describer` command. Nothing heavy is imported here: a command loads what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from describer import __version__
from describer.cli import (
    annotate,
    ask,
    bench,
    bench_confidence,
    bench_demo,
    bench_guard,
    bench_lora,
    bench_vqa,
    cloud,
    data,
    demo,
    evaluate,
    synth,
    train,
)
from describer.errors import DescriberError

# Recent typer carries its own copy of click; this is the class of usage errors in either.
_UsageError: Any = typer.BadParameter.__base__

EXIT_NOTHING_DONE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

# Libraries' own bars and warnings would break up ours; whoever sets one of these keeps it.
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_LOG_LEVEL": "ERROR",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("annotate")(annotate.annotate)
app.command("ask")(ask.ask)
app.command("demo")(demo.demo)
app.command("evaluate")(evaluate.evaluate)
app.command("cloud")(cloud.cloud)
app.command("synth")(synth.synth)
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
bench.app.command("demo")(bench_demo.demo)
bench.app.command("confidence")(bench_confidence.confidence)
bench.app.command("guard")(bench_guard.guard)
bench.app.command("lora")(bench_lora.lora)
bench.app.command("vqa")(bench_vqa.vqa)
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"describer {__version__}")
        raise typer.Exit


@app.callback()
def describer(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find instruments and tissues in surgical frames and describe them, every sentence tied to pixels.

    For research and annotation, not for clinical decisions.

    \b
      describer synth scenes --n 20
      describer annotate scenes/images -o results
      describer annotate operation.mp4 --fps 1 -o results-video
      describer evaluate results --references scenes/annotations.jsonl -o report

    \b
    Exit codes: 0 all done; 2 nothing could be done (bad arguments, unreadable
    source, every frame failed); 3 done, but some frames failed; 130 interrupted.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; errors a user can mend become one line on stderr."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        code = app(args=list(arguments), standalone_mode=False)
        sys.stdout.flush()
    except DescriberError as error:
        typer.echo(f"Error: {error}", err=True)
        return EXIT_NOTHING_DONE
    except _UsageError as error:
        error.show()
        return EXIT_NOTHING_DONE
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left, as `| head` does; the interpreter must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    # Some versions of typer turn Ctrl-C into this code themselves, others into Abort.
    if code == EXIT_INTERRUPTED:
        typer.echo("\nInterrupted; what is done stays. Run the same command again to go on.", err=True)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the `describer` script."""
    sys.exit(run(sys.argv[1:]))
