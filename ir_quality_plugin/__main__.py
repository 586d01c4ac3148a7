"""`python -m ir_quality_plugin` is `irq`."""

from .cli.app import main

if __name__ == "__main__":
    main()
