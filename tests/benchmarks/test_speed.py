"""The benchmark of speed: what it says of its figures, and that nothing of a stopped run is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import evaluation
from benchmarks.readme import filled
from benchmarks.speed import growth, readme, steps, table
from benchmarks.speed.clock import Clock
from benchmarks.speed.floor import asked_of, least_seconds
from benchmarks.speed.large import SIZE, _arguments
from benchmarks.speed.memory import peak_memory, peak_of_command
from benchmarks.speed.pictures import draw_bars, draw_growth
from benchmarks.speed.rows import ROWS
from benchmarks.speed.unfinished import Unfinished
from ir_quality_plugin.integrations.metric import build_metrics

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result, times

ROOT = Path(__file__).parents[2]
CPU = Clock(torch.device("cpu"), rounds=2)


def test_a_page_says_what_is_short_of_its_expectation_and_what_the_floor_allows():
    page = table.markdown(result())
    assert "| CKDN score | pyiqa's metric | 1000 ms [900, 1100] | 400 ms [360, 440] | **2.5x** | 2x | 50% |" in page
    assert "CKDN score, bf16: 5.0x of 7x. At the floor it would be 10.0x; this is 50% of that." in page
    assert "CKDN score, fp32" not in page
    assert "by at most (asked: 1e-5): CKDN score: 1.0e-07 (values up to 0.8)." in page
    assert "50 MB | 0.50x (asked: 0.4x) | 30 MB | 0.30x (asked: 0.25x) |" in page
    assert "| `irq score`, ckdn-s | 3.00 GB | 2.00 GB | 4 |" in page
    assert "| RRDBNet | fp32 | 1000 ms [900, 1100] | 25% |" in page
    assert (
        "| ckdn, PNG of 480 x 640 px, 512 KB | fp32 | 8 | 950 ms [855, 1045] | 1000 ms [900, 1100] | **0.95x** |"
        in page
    )


def test_a_page_of_a_part_alone_has_no_more_than_that():
    whole = result()
    page = table.markdown({"machine": whole["machine"], "compact": whole["compact"]})
    assert "ckdn-s 9.3x" in page
    assert "SRCC" not in page


def test_bytes_are_a_floor_on_a_gpu_alone():
    whole = result()
    row, rates = whole["rows"]["ckdn_score"], whole["floor"]["rates"]
    assert least_seconds(rates, row, "fp32", "cpu") == pytest.approx(0.2)
    assert least_seconds(rates, row, "fp32", "cuda") == pytest.approx(0.2)
    assert least_seconds(rates, row, "bf16", "cpu") == pytest.approx(0.1)
    rates["memory"]["copy"] = 25e9
    assert least_seconds(rates, row, "fp32", "cuda") == pytest.approx(0.4)
    assert least_seconds(rates, row, "bf16", "cuda") == pytest.approx(0.2)


def test_operations_and_bytes_of_a_layer_are_counted_without_values():
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False, device="meta")
    asked = asked_of(lambda: conv(torch.zeros(2, 3, 10, 10, device="meta")).relu())
    assert asked == {"operations": 2 * 2 * 8 * 3 * 9 * 100, "bytes_fp32": 4 * (2 * 3 * 100 + 8 * 27 + 2 * 8 * 100)}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_can_be_counted(name):
    asked = asked_of(ROWS[name].work)
    assert 1e10 < asked["operations"] < 1e12
    assert 1e8 < asked["bytes_fp32"] < 1e11


def test_calls_are_timed_in_turns_after_one_that_does_not_count():
    called = []
    found = CPU.interleaved({"one": lambda: called.append(1), "two": lambda: called.append(2)})
    assert called == [1, 2, 1, 2, 1, 2]
    assert 0 <= found["one"]["least_s"] <= found["one"]["median_s"] <= found["one"]["most_s"]


def test_a_stopped_run_goes_on_with_the_same_settings_alone(tmp_path):
    out = tmp_path / "speed.json"
    Unfinished(out, {"threads": 2}).add("rows", "ckdn_score", 1.5)
    assert Unfinished(out, {"threads": 2}).result["rows"] == {"ckdn_score": 1.5}
    assert not Unfinished(out, {"threads": 1}).has("rows", "ckdn_score")
    again = Unfinished(out, {"threads": 2})
    assert again.has("rows", "ckdn_score")
    assert not again.has("rows", "ckdn_loss")
    again.finish()
    assert not Unfinished(out, {"threads": 2}).has("rows", "ckdn_score")
    assert not list(tmp_path.iterdir())


def test_the_share_of_a_term_is_of_the_step_that_has_it():
    measured = {"step fp32": times(0.3), "ckdn fp32": times(0.1)}
    assert steps.share(measured, "ckdn", "fp32") == pytest.approx(0.25)


def test_memory_that_a_call_touches_is_seen_and_none_that_it_does_not():
    size = 2**26
    found = peak_memory(lambda: bytearray(size), torch.device("cpu"))
    assert found["first"] >= 0.9 * size
    assert found["later"] >= 0.9 * size
    assert peak_memory(lambda: None, torch.device("cpu"))["later"] < size / 8


def test_a_command_that_fails_is_no_figure_and_says_what_it_printed():
    with pytest.raises(subprocess.CalledProcessError) as caught:
        peak_of_command(["ir_quality_plugin", "no-such-command"])
    assert "no-such-command" in caught.value.stderr


def test_the_memory_of_a_command_is_its_own_and_not_its_parents():
    held = bytearray(2**28)
    assert peak_of_command(["this"]) < len(held) / 4


@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_a_measured_command_is_one_that_works(command, tmp_path):
    found = _arguments(tmp_path, (64, 64), command, "ckdn-s")
    assert peak_of_command(found) > 2**26
    assert SIZE == (7680, 4320)


def test_references_that_are_forgotten_cost_more_than_those_seen_before(monkeypatch):
    monkeypatch.setattr(growth, "REFERENCES", (2,))
    monkeypatch.setattr(growth, "SIDE_PX", 96)
    found = growth.with_references(CPU)
    new, seen = found["lines"].values()
    assert new[0] > seen[0] > 0


def test_an_evaluation_is_compared_with_the_forward_of_the_same_scorer_on_the_same_files(tmp_path, monkeypatch):
    case = evaluation.Case("ckdn-s", 2, (64, 96))
    evaluation.write_images(tmp_path, case)
    plan, device = evaluation.plan_of(tmp_path, case), torch.device("cpu")
    (metric,) = build_metrics(plan.scorers, (), device).values()
    seen = []
    score = metric.scorer.score
    monkeypatch.setattr(metric.scorer, "score", lambda *given: seen.append(given) or score(*given))
    evaluation.raw_forward(metric, plan, "fp32", device)()
    evaluation.scoring(metric, plan, tmp_path / "out", "fp32", device)()
    assert len(seen) == 2 * case.images * evaluation.METHODS
    for raw, whole in zip(seen[:4], seen[4:], strict=True):
        assert all(torch.equal(one, other) for one, other in zip(raw, whole, strict=True))
    rows = [row for path in (tmp_path / "out" / "rows").glob("*.jsonl") for row in path.read_text().splitlines()]
    assert len(rows) == 4
    assert all("data:image/webp" in row and '"failures": {}' in row for row in rows)


def test_written_images_take_a_photographs_room(tmp_path):
    evaluation.write_images(tmp_path, evaluation.Case("ckdn-s", 1, (256, 256)))
    size = {name: (folder / "000.png").stat().st_size for name, folder in evaluation.folders_of(tmp_path).items()}
    assert 0.4 < size["method_0"] / (3 * 256 * 256) < 0.7
    assert size["degraded"] < size["reference"] / 8


def test_the_pictures_are_drawn_whole(tmp_path):
    draw_bars(result(), tmp_path / "bars.svg")
    draw_growth(result()["growth"], tmp_path / "growth.svg")
    assert "the machine's floor" in (tmp_path / "bars.svg").read_text()
    assert "processes of irq evaluate" in (tmp_path / "growth.svg").read_text()


def test_the_readme_says_what_the_committed_result_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    measured = json.loads((ROOT / "benchmarks/results/speed.json").read_text())
    assert filled(text, readme.BEGIN, readme.END, readme.figures(measured)) == text, (
        "run: python -m benchmarks.speed.readme benchmarks/results/speed.json"
    )
    assert (ROOT / "benchmarks/results/speed.md").read_text() == table.markdown(measured)
