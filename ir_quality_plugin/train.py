"""`accelerate launch ... -m ir_quality_plugin.train -opt FILE`: `irq train` for launchers that want a module."""

import sys

if __name__ == "__main__":
    from .cli.app import main

    sys.argv.insert(1, "train")
    main()
