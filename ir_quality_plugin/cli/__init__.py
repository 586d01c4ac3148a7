"""The command line `irq`, one file a command."""
