"""`irq triplets`: degraded and restored versions of clean photographs, to be labelled."""

from __future__ import annotations

import os
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .extras import require
from .label import list_failures, saved_network


def triplets(
    photographs: Annotated[Path, typer.Option(help="Folder of clean photographs.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    crop: Annotated[int, typer.Option(help="Side of the clean crop in pixels.")] = 192,
    scales: Annotated[
        list[int] | None,
        typer.Option("--scale", help="Inputs are smaller by this factor; repeatable. [default: 1 and 4]"),
    ] = None,
    inputs: Annotated[int, typer.Option(help="Degraded inputs of each photograph.")] = 2,
    restorations: Annotated[int, typer.Option(help="Restorations of each input, by different restorers.")] = 4,
    networks: Annotated[
        list[Path] | None,
        typer.Option("--network", help="Weights of a restoration network that restores as well; repeatable."),
    ] = None,
    network_options: Annotated[
        list[Path] | None,
        typer.Option(help="The option file of each network, in order; by default that of its run."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Make triplets of clean photographs: reference, degraded input, and restorations of it by several restorers.

    Interpolations, denoisers, sharpeners, imitations of networks that find part of the detail or invent some, and your
    own networks. OUT/table.csv lists them for `irq label`. The same seed makes the same pictures; a run that was ended
    goes on where it was.
    """
    require("cv2")
    from ..data.images import list_images
    from ..data.triplets import Making
    from ..integrations.made_triplets import make_triplets

    if not photographs.is_dir():
        raise UsageError(f"--photographs {photographs}: there is no such folder; expected one of clean images")
    if network_options and len(network_options) != len(networks or []):
        raise UsageError(
            f"--network-options was given {len(network_options)} times for {len(networks or [])} networks; expected "
            "one each, or none where each stands in its run's folder"
        )
    own = [saved_network(*pair) for pair in zip_longest(networks or [], network_options or [])]
    making = Making(seed, crop, tuple(scales or Making.scales), inputs, restorations)
    listed = list_images(photographs)
    made = make_triplets(listed, out, making, own, workers)
    typer.echo(
        f"{out / 'table.csv'}: {made.triplets} triplets of {len(listed) - sum(made.failures.values())} photographs"
    )
    list_failures(made.failures, len(listed), "were left out")
