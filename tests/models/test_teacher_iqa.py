"""TeacherIQA against the authors' network, and what its classes promise at other sizes and widths."""

import pytest
import torch
from golden import GOLDEN, assert_golden, image

from ir_quality_plugin import RestorationTeacher, TeacherIQAStudent

VALUES = GOLDEN["teacheriqa"]
COMPACT = {"stem_width": 16, "planes": (8, 16, 24, 32), "depths": (1, 1, 1, 1)}


@pytest.fixture(scope="module")
def run(golden_teacher_iqa, two_threads):
    patches = image(0, 2, 3, 224, 224).requires_grad_()
    output = golden_teacher_iqa(patches, restore=True)
    output.score.sum().backward()
    with torch.no_grad():
        knowledge, _ = golden_teacher_iqa.teacher.understand(patches)
    return patches, output, knowledge


def test_scores_are_the_released_networks(run):
    expected = torch.tensor(VALUES["score"])
    torch.testing.assert_close(run[1].score, expected, rtol=0, atol=1e-4 * expected.abs().max())


def test_the_restored_image_is_the_released_teachers(run):
    assert_golden(run[1].restored, VALUES["restored"])


@pytest.mark.parametrize(
    ("name", "released"), [("bottom", "bottom"), ("map16", "mc1"), ("map8", "mc2"), ("map4", "mc3")]
)
def test_every_map_of_the_knowledge_is_the_released_teachers(run, name, released):
    assert_golden(getattr(run[2], name), VALUES[released])


def test_the_pixels_gradient_is_the_released_networks(run):
    # A ReLU at zero opens or not by the order of sums: hence two threads, as the golden run had.
    assert_golden(run[0].grad, VALUES["grad_of_score_sum"])


def test_the_published_widths_have_the_published_number_of_parameters():
    count = {kind: sum(p.numel() for p in kind().parameters()) for kind in (RestorationTeacher, TeacherIQAStudent)}
    assert round(count[RestorationTeacher] / 1e6, 3) == 40.149
    assert round(count[TeacherIQAStudent] / 1e6, 3) == 53.341


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 70), (97, 31), (32, 45)])
def test_the_teacher_restores_any_size(height, width):
    degraded = torch.rand(1, 3, height, width, requires_grad=True)
    restored = RestorationTeacher(**COMPACT)(degraded).restored
    assert restored.shape == degraded.shape
    assert restored.min() >= 0 and restored.max() <= 1
    restored.mean().backward()
    assert degraded.grad.abs().sum() > 0


def test_a_size_that_32_divides_is_not_padded():
    teacher = RestorationTeacher(**COMPACT).eval()
    degraded = torch.rand(1, 3, 64, 96)
    torch.testing.assert_close(teacher(degraded).restored, teacher.draw(*teacher.understand(degraded)))


def test_a_student_of_other_widths_and_patches_scores():
    student = TeacherIQAStudent(**COMPACT, width=16, patch_px=96).eval()
    output = student(torch.rand(2, 3, 96, 96))
    assert output.score.shape == (2,)
    assert output.restored is None


def test_scoring_leaves_the_end_of_the_decoder_alone():
    student = TeacherIQAStudent(**COMPACT, width=16, patch_px=96)
    student(torch.rand(2, 3, 96, 96)).score.sum().backward()
    unused = {name.split(".")[1] for name, weight in student.named_parameters() if weight.grad is None}
    assert unused == {"up2", "up1", "out"}
