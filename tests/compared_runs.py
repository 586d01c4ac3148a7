"""Short trainings without a quality term, and whether two of them ended alike."""

from engine_runs import equal, log_of, networks, run

LIGHT = "val.metrics={psnr: {type: calculate_psnr, crop_border: 4, better: higher}}"


def train(root, *overrides, auto_resume=False):
    return run("sr_x4_l1", root, LIGHT, *overrides, auto_resume=auto_resume)


def without_times(entries):
    return [{key: value for key, value in entry.items() if "time" not in key} for entry in entries]


def assert_same_runs(one, other):
    """Every network, and every line of the logs, is the same to the bit."""
    first, second = networks(one), networks(other)
    assert first.keys() == second.keys()
    assert all(equal(first[file], second[file]) for file in first)
    for kind in ("train", "val"):
        logs = [log_of(next(root.glob("experiments/*")), kind) for root in (one, other)]
        assert without_times(logs[0]) == without_times(logs[1])
