"""What is built installs, and does what its extras promise: in fresh environments, outside of the clone.

    python benchmarks/wheel.py --python python3.11 --python python3.12

The last commit is built into a source distribution and a wheel, twice, and the wheel is installed for each Python
without extras, with each, and with all. What an environment has is to work there; what it lacks is to be refused by a
line that names the extra. A line for each call, with its seconds, and exit code 1 where one is not as it should be.
It needs a network, minutes for each environment, and 8 GB of disk, since one is removed before the next is made.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
PICTURES = "recipes/smoke/photographs/val"
JUDGED = f"{PICTURES}/gt/coffee_0.png --degraded {PICTURES}/x4/coffee_0.png --reference {PICTURES}/gt"
COMPARED = f"--restored A={PICTURES}/noise25 --degraded {PICTURES}/x4 --reference {PICTURES}/gt"
SHORT, AT_ONCE = "--set train.total_iter=2", "train.opinion_opt.preference_iter=1"
EXTRAS = ("", "basicsr", "pyiqa", "basicsr,pyiqa")


@dataclass(frozen=True)
class Call:
    """A command line, part of what it prints where it works, and the extras that it cannot do without."""

    line: str
    prints: str = ""
    needs: str = ""


CALLS = (
    Call("python -c 'import sys, ir_quality_plugin; print(\"torch\" in sys.modules)'", "False"),
    Call("irq", "irq demo"),
    Call("irq doctor", "0 problems"),
    Call("irq weights verify", "sound"),
    Call("irq recipes cp smoke/sr_x4_ckdn .", "irq train"),
    Call("irq recipes cp ckdn/smoke .", "irq train"),
    *(Call(f"irq score {JUDGED} --scorer {name}-s", "higher is better") for name in ("teacheriqa", "ckdn", "cvrkd")),
    Call(f"irq evaluate {COMPARED} --scorer ckdn-s --out evaluation", "report.html"),
    Call(f"irq evaluate {COMPARED} --pyiqa ssim --out evaluation_pyiqa", "report.html", needs="pyiqa"),
    Call("irq recipes schema", "QualityDataset", needs="basicsr"),
    Call(f"irq train -opt recipes/ckdn/smoke.yml {SHORT} --set {AT_ONCE}", "done", needs="basicsr"),
    Call(f"irq train -opt recipes/smoke/sr_x4_ckdn.yml {SHORT}", "done", needs="basicsr,pyiqa"),
    Call("python -m ir_quality_plugin.basicsr_train -opt recipes/smoke/sr_x4_ckdn.yml", "End", needs="basicsr,pyiqa"),
    Call("irq demo --iterations 2", "demo.html", needs="basicsr,pyiqa"),
    Call(f'python -c \'import torch; torch.hub.load("{CLONE}", "ckdn_s", source="local")\''),
)


def complaint(call: Call, extras: str, code: int, printed: str) -> str:
    """What is wrong with how a call ended in an environment with these extras; empty where nothing is."""
    missing = set(filter(None, call.needs.split(","))) - set(extras.split(","))
    if not missing:
        return "" if code == 0 and call.prints in printed else f"code {code}"
    named = any(f"ir-quality-plugin[{extra}" in printed or f",{extra}]" in printed for extra in missing)
    return "" if code == 2 and named and "Traceback" not in printed else f"code {code}, names no missing extra"


def build(folder: Path) -> Path:
    """Build the last commit, by way of the source distribution and directly; gives the first wheel."""
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(["git", "-C", CLONE, "archive", "HEAD"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    for out, more in (("dist", []), ("direct", ["--wheel"])):
        command = [sys.executable, "-m", "build", *more, "--outdir", folder / out, source]
        subprocess.run(command, check=True, capture_output=True)
    (wheel,), (direct,) = ((folder / out).glob("*.whl") for out in ("dist", "direct"))
    if contents(wheel) != contents(direct):
        sys.exit(f"{wheel} and {direct} differ; expected the same files")
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def install(python: str, wheel: Path, extras: str, environment: Path) -> None:
    """Make an environment and install the wheel with its extras, as README.md says."""
    subprocess.run([python, "-m", "venv", "--clear", environment], check=True)
    steps = [[str(wheel)]]
    if "basicsr" in extras:
        steps += [["cython", "setuptools", "wheel"], ["--no-build-isolation", f"{wheel}[{extras}]"]]
    elif extras:
        steps += [[f"{wheel}[{extras}]"]]
    for step in steps:
        subprocess.run([environment / "bin" / "python", "-m", "pip", "install", "--quiet", *step], check=True)


def main() -> None:
    """Build, install and call; prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="An interpreter; repeatable. [default: this one]")
    parser.add_argument("--extras", action="append", choices=EXTRAS, help="Repeatable. [default: none, each, and all]")
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        wheel = build(folder)
        print(f"{time.perf_counter() - began:7.1f} s  built {wheel.name}, twice the same", flush=True)
        for python in arguments.python or [sys.executable]:
            for extras in arguments.extras or EXTRAS:
                began = time.perf_counter()
                install(python, wheel, extras, folder / "environment")
                print(f"{time.perf_counter() - began:7.1f} s  installed [{extras}] in {python}", flush=True)
                wrong += sum(map(bool, calls(folder, extras)))
    sys.exit(bool(wrong))


def calls(folder: Path, extras: str) -> list[str]:
    """Carry out every call in an empty folder; gives the complaints, one a call."""
    binaries = folder / "environment" / "bin"
    found = []
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        for call in CALLS:
            program, *words = shlex.split(call.line)
            began = time.perf_counter()
            ended = subprocess.run([binaries / program, *words], cwd=empty, capture_output=True, text=True)
            seconds = time.perf_counter() - began
            found.append(complaint(call, extras, ended.returncode, ended.stdout + ended.stderr))
            print(f"{seconds:7.1f} s  {found[-1] or 'as expected'}: {call.line}", flush=True)
            if found[-1]:
                print((ended.stdout + ended.stderr)[-2000:])
    return found


if __name__ == "__main__":
    main()
