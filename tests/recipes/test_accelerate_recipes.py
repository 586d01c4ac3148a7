"""Launch configurations: accelerate takes them, one CPU runs, and two nodes of torchrun find each other."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")
from accelerate.commands.config.config_args import load_config_from_file
from engine_runs import RECIPES, SHORT, command

LAUNCHES = RECIPES / "accelerate"
assert ir_quality_plugin.integrations


@pytest.mark.parametrize(("name", "processes"), [("one_cpu", 1), ("eight_gpus", 8), ("two_machines", 16)])
def test_accelerate_takes_the_configuration(name, processes):
    path = LAUNCHES / f"{name}.yaml"
    assert load_config_from_file(str(path)).num_processes == processes
    assert f"--config_file recipes/accelerate/{path.name}" in path.read_text()


@pytest.mark.slow
def test_one_cpu_trains_by_the_command_of_its_header(tmp_path):
    header = (LAUNCHES / "one_cpu.yaml").read_text().split("\n\n")[0]
    words = re.search(r"accelerate (launch.*?)\n#\n", header, re.DOTALL)[1].replace("\\\n#", "").split()
    accelerate = Path(sys.executable).with_name("accelerate")
    more = [word for override in SHORT for word in ("--set", override)]
    finished = subprocess.run(
        [str(accelerate), *words, "--root", str(tmp_path), *more], cwd=RECIPES.parent, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "cpu, 1 process" in finished.stdout
    assert "done: best ckdn" in finished.stdout


@pytest.mark.slow
def test_two_processes_of_one_cpu_train_by_their_script(tmp_path):
    more = [word for override in SHORT for word in ("--set", override)]
    finished = subprocess.run(
        [
            "bash",
            str(LAUNCHES / "two_cpu_processes.sh"),
            "-opt",
            "recipes/smoke/sr_x4_ckdn.yml",
            "--root",
            str(tmp_path),
            *more,
        ],
        cwd=RECIPES.parent,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "cpu, 2 processes" in finished.stdout


@pytest.mark.slow
def test_two_nodes_on_loopback_train_and_validate(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plain = command(RECIPES / "smoke" / "sr_x4_ckdn.yml", tmp_path, *SHORT, processes=1)
    nodes = []
    for rank in range(2):
        at = plain.index("--standalone")
        meeting = ["--nnodes", "2", "--node_rank", str(rank), "--master_addr", "127.0.0.1", "--master_port", str(port)]
        nodes.append(
            subprocess.Popen(
                [*plain[:at], *meeting, *plain[at + 1 :]],
                cwd=RECIPES.parent,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
            )
        )
    printed = [node.communicate(timeout=240)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], printed
    assert "cpu, 2 processes" in printed[0]
    (log,) = tmp_path.glob("experiments/*/log.jsonl")
    validations = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["kind"] == "val"]
    assert [len(entry["scores"]["ckdn"]) for entry in validations] == [4, 4]


def test_the_batch_script_is_valid_and_needs_its_option_file():
    script = LAUNCHES / "slurm.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(script)], check=True)
    without = subprocess.run(["bash", str(script)], capture_output=True, text=True)
    assert without.returncode != 0
    assert "the option file" in without.stderr
