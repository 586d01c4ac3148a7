"""`python -m ir_quality_plugin.basicsr_train -opt FILE`: BasicSR's trainer with our types, below the current folder."""

from pathlib import Path

if __name__ == "__main__":
    from .cli.extras import extras_named

    with extras_named():
        from .integrations.basicsr_trainer import train

        train(Path.cwd())
