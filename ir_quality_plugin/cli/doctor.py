"""`irq doctor`: what works on this machine, and the remedy for what does not."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Look at the packages around this one, at the devices and at the weights.

    A note is something to know, a problem something that will fail; each comes with its remedy. The exit code is 1 if
    there is a problem.
    """
    import dataclasses

    from ..integrations.health import findings

    found = []
    for finding in findings():
        found.append(finding)
        if not as_json:
            typer.echo(f"{finding.state:8}{finding.subject:24}{finding.found}")
            if finding.remedy:
                typer.echo(f"{'':32}-> {finding.remedy}")
    problems = sum(finding.state == "problem" for finding in found)
    if as_json:
        document = {"problems": problems, "findings": [dataclasses.asdict(finding) for finding in found]}
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(f"{problems} problems" if problems != 1 else "1 problem")
    if problems:
        raise typer.Exit(1)
