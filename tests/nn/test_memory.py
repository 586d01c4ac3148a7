"""What a layer frees is kept for the next one."""

import os
import platform
import subprocess
import sys

import pytest

# With these, whoever runs the tests has chosen how memory is kept.
ALLOCATORS_OWN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
COUNTED = """
import resource
import torch
from ir_quality_plugin.nn.fold import fold

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        maps = [torch.ones(3 * 2**20) for _ in range(4)]  # 12 MiB each
        del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
fold(torch.nn.Conv2d(3, 8, 3).eval().requires_grad_(False))
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what other libraries do with freed memory is theirs")
def test_a_process_that_folded_a_network_takes_no_new_pages_for_maps_that_it_has_freed():
    as_it_comes = {name: value for name, value in os.environ.items() if not name.startswith(ALLOCATORS_OWN)}
    command = [sys.executable, "-c", COUNTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=as_it_comes)
    before, after = map(int, done.stdout.split())
    if before < 50_000:  # of 3,072 pages a map, 120,000 in all
        pytest.skip(f"no loss to mend: {before} pages are counted where nothing was folded")
    assert after < 1_000
