"""What a layer frees is kept for the next one."""

import platform
import subprocess
import sys

import pytest

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
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 50_000  # 3,072 pages a map
    assert after < 1_000
