"""What all tests share: the modules beside this file, and the published networks with golden weights."""

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from golden import released_weights

from ir_quality_plugin import CKDN, CVRKD, TeacherIQAStudent
from ir_quality_plugin.checkpoints.remap import from_release

# The same examples at every run, as many as take seconds; a shared machine's clock decides nothing.
settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("same")


def with_golden_weights(network, method):
    network.load_state_dict(from_release(method, released_weights(method), network.state_dict()))
    return network.eval()


@pytest.fixture(scope="module")
def two_threads():
    """Two threads whatever the machine has: the order of sums in which the golden gradients were taken."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden_teacher_iqa():
    return with_golden_weights(TeacherIQAStudent(), "teacheriqa")


@pytest.fixture(scope="session")
def golden_ckdn():
    return with_golden_weights(CKDN(), "ckdn")


@pytest.fixture(scope="session")
def golden_cvrkd():
    return with_golden_weights(CVRKD(), "cvrkd")
