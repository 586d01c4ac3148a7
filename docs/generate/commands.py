"""The reference of every command, made from what its `--help` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TITLE = "Commands"


def page() -> str:
    """Markdown of all commands of `irq`, in the order of `irq --help`."""
    parts = [
        f"# {TITLE}\n",
        "Made from the help of each command. `irq` is also `python -m ir_quality_plugin`. A command exits with 0 when "
        "all is done, 2 for a wrong call, and 1 for work that failed, in part too: what failed is listed and counted. "
        "`irq --install-completion` adds completion of commands and options to your shell.\n",
    ]
    parts += [section(words, command) for words, command in commands()]
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, `irq recipes cp` among them, with its name as it is typed."""
    from typer.main import get_command

    from ir_quality_plugin.cli.app import app

    yield from _walk("irq", get_command(app))


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield words, command
        return
    for name, child in inner.items():
        yield from _walk(f"{words} {name}", child)


def section(words: str, command: Any) -> str:
    """One command: what it does, its arguments and options, and an example."""
    context = command.make_context(words, [], resilient_parsing=True)
    lines = [f"## {words}\n", _paragraphs(command.help), ""]
    for kind, title in (("argument", "Argument"), ("option", "Option")):
        rows = [row(parameter, context) for parameter in command.params if parameter.param_type_name == kind]
        if rows:
            lines += [f"| {title} | |", "|---|---|", *rows, ""]
    example = (command.epilog or "").removeprefix("Example: ")
    if example:
        lines += ["```bash", example, "```", ""]
    return "\n".join(lines)


def row(parameter: Any, context: Any) -> str:
    """A line of the table: names, then what it is, its default and whether it must be given."""
    if parameter.param_type_name == "argument":
        name, text = parameter.name, parameter.help or ""
        extra = " Required." if parameter.required else f" Default: `{parameter.default}`."
        return f"| `{name}` | {_cell(text + extra)} |"
    names, text = parameter.get_help_record(context) or (", ".join(parameter.opts), parameter.help or "")
    return f"| `{_bar(names)}` | {_cell(text)} |"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def _cell(text: str) -> str:
    return _bar(" ".join(text.split())).replace("*", "\\*").replace("<", "&lt;")


def _bar(text: str) -> str:
    return text.replace("|", "\\|")
