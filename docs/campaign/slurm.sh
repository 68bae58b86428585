#!/bin/sh
# One shard of a campaign, as a task of a Slurm array. N tasks, numbered from 0:
#   sbatch --wait --array=0-7 docs/campaign/slurm.sh VIVSIM SEEDS N RESULTS [OPTION...]
#   VIVSIM merge RESULTS/*.jsonl
# merge names the shards that are missing; those alone run again with --array=3,5 and the same N.
#SBATCH --job-name=vivsim --ntasks=1 --cpus-per-task=1 --requeue
set -eu
vivsim=$1 seeds=$2 shards=$3 results=$4
shift 4
exec "$vivsim" run --seeds "$seeds" --shard "$SLURM_ARRAY_TASK_ID/$shards" --jobs "${SLURM_CPUS_PER_TASK:-1}" \
  --json "$results/$SLURM_ARRAY_TASK_ID.jsonl" "$@"
