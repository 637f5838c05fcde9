"""`describer cloud`: one frame as a coloured point cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cloud(
    frame: Annotated[Path, typer.Argument(metavar="FRAME", help="Picture of one frame.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.ply", help="File to write: binary little-endian PLY.")],
    by: Annotated[str, typer.Option(help="Colour of the points: colour (the frame's own) or region.")] = "colour",
    intrinsics: Annotated[
        str | None,
        typer.Option(metavar="FX,FY,CX,CY", help="Camera in pixels of the frame; default W,W,W/2,H/2."),
    ] = None,
    depth: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Grey depth map of the frame to use instead of the model's.")
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Take every Nth row and column.")] = 1,
    scene_model: Annotated[
        str, typer.Option(help="'embedded', or a folder made by describer train scene.")
    ] = "embedded",
) -> None:
    """Write one frame as a coloured point cloud: x right, y down, z forward.

    \b
      describer cloud frame.png frame.ply
      describer cloud frame.png regions.ply --by region --intrinsics 1035,1035,596,520
      describer cloud frame.png frame.ply --depth results/depth/frame.png.png --stride 2

    Depth of the model is relative (1 near, 100 far), so the cloud has a shape but no millimetres; a --depth map gives
    value / 65535 * 100, and where it is 0 there is no point. Outside of the scope's view there are no points. With
    --by region points have the overlay's colours, grey where no region is.
    """
    from describer.camera import Intrinsics
    from describer.cloud import frame_cloud, write_ply

    camera = None if intrinsics is None else Intrinsics.parse(intrinsics)
    made = frame_cloud(frame, by=by, intrinsics=camera, depth=depth, stride=stride, scene_model=scene_model)
    write_ply(made, out)
    typer.echo(f"{out}  {len(made.points_xyz)} points")
