#!/usr/bin/env bash
# Two nodes of eight GPUs under SLURM; sent again after a time limit, it goes on where it was.
#
#     sbatch recipes/accelerate/slurm.sh recipes/basicsr/sr_x4_ckdn.yml
#
#SBATCH --job-name=irq
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
# Asked two minutes before the end, the training saves its state at the next step.
#SBATCH --signal=TERM@120
set -euo pipefail

options=${1:?the option file: sbatch recipes/accelerate/slurm.sh FILE}
head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

srun torchrun \
    --nnodes "$SLURM_NNODES" \
    --nproc_per_node "${SLURM_GPUS_ON_NODE:-8}" \
    --rdzv_id "$SLURM_JOB_ID" \
    --rdzv_backend c10d \
    --rdzv_endpoint "$head_node:29500" \
    -m ir_quality_plugin.train -opt "$options" --auto_resume
