"""The trial of the wheel: its calls are ones that the command line takes; it tells right endings from wrong ones."""

import shlex
import sys
from pathlib import Path

import pytest
from page_sessions import parse_irq

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from wheel import CALLS, EXTRAS, Call, complaint

REFUSED = "irq: this command needs pyiqa, which is not installed; pip install 'ir-quality-plugin[pyiqa]'"


def test_its_calls_are_taken_and_every_extra_is_needed_by_one():
    lines = [shlex.split(call.line) for call in CALLS]
    for program, *words in lines:
        if program == "irq":
            parse_irq(words)
    assert {call.needs for call in CALLS} == set(EXTRAS)


@pytest.mark.parametrize(
    ("extras", "code", "printed", "right"),
    [
        ("basicsr,pyiqa", 0, "done", True),
        ("basicsr,pyiqa", 0, "", False),
        ("basicsr,pyiqa", 1, "done", False),
        ("basicsr", 2, REFUSED, True),
        ("basicsr", 1, f"Traceback: {REFUSED}", False),
        ("pyiqa", 2, REFUSED, False),
        ("", 2, REFUSED.replace("[pyiqa]", "[basicsr,pyiqa]"), True),
    ],
)
def test_a_call_works_or_names_an_extra_that_is_missing(extras, code, printed, right):
    assert (complaint(Call("irq demo", "done", "basicsr,pyiqa"), extras, code, printed) == "") == right
