#!/usr/bin/env bash
# Two processes on one CPU, by torchrun: accelerate launch starts several of them through MPI alone.
#
#     bash recipes/accelerate/two_cpu_processes.sh -opt recipes/smoke/sr_x4_ckdn.yml
#
# batch_size_per_gpu is what one process sees. What follows the script's name is handed on: --set, --root, --auto_resume.
set -euo pipefail

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((($(nproc) + 1) / 2))}
torchrun --standalone --nproc_per_node 2 -m ir_quality_plugin.train "$@"
