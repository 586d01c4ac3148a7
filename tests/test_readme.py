"""What the README shows runs as it stands; released files that nobody can ship are stood in for by golden weights."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from golden import released_weights

README = (Path(__file__).parents[1] / "README.md").read_text()
RELEASED = "CKDN_model_best-38b27dc6.pth"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    for name in (RELEASED, "ckdn.pth"):
        torch.save({"state_dict": released_weights("ckdn")}, tmp_path / name)
    monkeypatch.chdir(tmp_path)


def names():
    """What the snippets take as given: images of a batch, and a fidelity criterion."""
    draw = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 64, 64, generator=draw)
    return {
        "restored": (clean + 0.01).clamp(0, 1).requires_grad_(),
        "degraded": torch.nn.functional.avg_pool2d(clean, 5, 1, 2),
        "lq": clean[..., ::4, ::4],
        "gt": clean,
        "clean": clean,
        "other": clean.flip(0),
        "l1": torch.nn.L1Loss(),
    }


@pytest.mark.parametrize("index", range(len(blocks("python"))))
def test_a_python_snippet_runs(index, workplace, monkeypatch):
    import ir_quality_plugin as irq

    snippet = blocks("python")[index]
    if "initialise_from_imagenet" in snippet:  # its file is torchvision's, which is not here
        monkeypatch.setattr(irq, "initialise_from_imagenet", lambda network, source: network)
    exec(compile(snippet, f"README python block {index}", "exec"), {"irq": irq, **names()})  # our own text


def test_the_option_snippet_is_one_that_the_check_accepts(workplace):
    import ir_quality_plugin.integrations

    pytest.importorskip("basicsr")
    pytest.importorskip("pyiqa")
    from ir_quality_plugin.engine.options import GuardOptions
    from ir_quality_plugin.integrations.basicsr_options import check_options
    from ir_quality_plugin.integrations.register import register

    assert ir_quality_plugin.integrations
    register()
    snippet, guard, _ = blocks("yaml")
    assert len(snippet.splitlines()) <= 5
    check_options(yaml.safe_load(snippet))
    GuardOptions.model_validate(yaml.safe_load(guard)["train"]["guard"])


def test_the_snippet_of_a_scorer_is_one_that_the_check_accepts(workplace):
    import ir_quality_plugin.integrations

    pytest.importorskip("basicsr")
    from ir_quality_plugin.engine.kinds import check_all
    from ir_quality_plugin.engine.options import check
    from ir_quality_plugin.integrations.register import register

    assert ir_quality_plugin.integrations
    register()
    *_, snippet = blocks("yaml")
    file = yaml.safe_load(snippet)
    rest = {"optim_g": {"type": "Adam"}, "scheduler": {"type": "MultiStepLR", "milestones": [1]}, "total_iter": 1}
    check_all(check({**file, "name": "readme", "train": {**file["train"], **rest}}, "README"))


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    missing = [link for link in links if "://" not in link and not (Path(__file__).parents[1] / link).exists()]
    assert missing == []
