"""How long `import ir_quality_plugin` takes beside `import torch`, in fresh interpreters, interleaved.

python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "import torch": "import torch",
    "import ir_quality_plugin": "import ir_quality_plugin",
    "import ir_quality_plugin; irq.load_scorer": "import ir_quality_plugin as irq; irq.load_scorer",
}
RUNS = 9


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the median of each statement and its ratio to `import torch`."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for run in range(RUNS + 1):
        for name, statement in STATEMENTS.items():
            elapsed = seconds(statement)
            if run:  # the first warms the disk's cache
                times[name].append(elapsed)
    torch_time = statistics.median(times["import torch"])
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{name:45} {median:6.2f} s  {median / torch_time:5.2f} x  (from {min(values):.2f} to {max(values):.2f} s)"
        )


if __name__ == "__main__":
    main()
