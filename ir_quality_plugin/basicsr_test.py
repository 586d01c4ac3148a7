"""`python -m ir_quality_plugin.basicsr_test -opt FILE`: BasicSR's tester with our types, below the current folder."""

from pathlib import Path

if __name__ == "__main__":
    from .cli.extras import extras_named

    with extras_named():
        from .integrations.basicsr_trainer import test

        test(Path.cwd())
