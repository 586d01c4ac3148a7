"""Commands whose options are given once: a second --degraded would silently take the first one's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperOption

from ..errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


class Once(TyperCommand):
    """A command that refuses an option of one value that is repeated; flags, and what takes several, may be."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            UsageError: names the option.
        """
        *_, order = self.make_parser(ctx).parse_args(list(args))
        single = [
            one for one in order if isinstance(one, TyperOption) and not (one.multiple or one.is_flag or one.count)
        ]
        for option, times in Counter(single).items():
            if times > 1 and not ctx.resilient_parsing:
                raise UsageError(f"{option.opts[0]} was given {times} times; expected once; leave all but one out")
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Commands that are of `Once`."""

    def command(self, *arguments: Any, **options: Any) -> Callable[[Function], Function]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(*arguments, **{"cls": Once, **options})
