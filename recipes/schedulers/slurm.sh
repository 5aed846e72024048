#!/usr/bin/env bash
# Runs a script on the nodes of a SLURM cluster. Submit it in this project's
# folder, which all nodes must see, as they must see the job's files:
#
#   sbatch --nodes=4 --gpus-per-node=8 recipes/schedulers/slurm.sh \
#     run_pretraining.py --do_train --output_dir=/shared/run ...
#
# Each node is a worker that uses all its GPUs. To make each GPU a worker, add
# --ntasks-per-node=8 --gpus-per-task=1.
#
# The elements of an array are separate jobs. In the flags, %a stands for an
# element's number. For example, eight jobs that make a dump together, and 12
# runs of a sweep, whose flagfiles `tools.sweep --write_flagfiles` has written:
#
#   sbatch --nodes=1 --array=0-7 recipes/schedulers/slurm.sh \
#     run_distillation.py --do_dump_logits --num_dump_jobs=8 \
#     --dump_job_index=%a ...
#   sbatch --nodes=1 --array=0-11 recipes/schedulers/slurm.sh \
#     run_classifier.py --flagfile=/shared/sweep/flags/%a.txt
#
# Three minutes before the time limit (#SBATCH --signal) the job saves and
# requeues itself, as it does after a SIGTERM, the loss of a node, or a kill. It
# then continues. After another failure it ends. But if only one of several
# workers fails, SLURM kills those that wait for it, which looks like the loss
# of a node. PYTHON names the interpreter.
#SBATCH --job-name=well-read-bert
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=TERM@180
#SBATCH --open-mode=append
set -uo pipefail
python=${PYTHON:-.venv/bin/python}
max_kills=10  # A job that is killed more often needs more memory, or a mend.

# All workers end together; those that wait for a lost one are ended.
srun --kill-on-bad-exit=0 --wait=60 "$python" -m tools.as_worker \
  "$python" "${@//%a/${SLURM_ARRAY_TASK_ID:-%a}}"
status=$?
echo "The job ended with status $status" >&2
# docs/reliability.md lists the statuses: above 128 is a signal.
if ((status == 75 || status > 128 && ${SLURM_RESTART_COUNT:-0} < max_kills))
then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
