"""Jobs, and the operations of pre-training steps, worked out by hand."""

import dataclasses

from benchmarks.training_jobs import BenchmarkJob, step_flops

_JOB = BenchmarkJob(
  'pretraining',
  '2/128',
  vocab_file='vocab.txt',
  vocab_size=1000,
  records='records',
  arrays='arrays',
  batch_size=4,
  max_seq_length=16,
  max_predictions=3,
)


def test_jobs_survive_json():
  assert BenchmarkJob.from_json(_JOB.to_json()) == _JOB


def test_tf32_is_float32_with_rounded_products():
  job = dataclasses.replace(_JOB, precision='tf32')
  assert job.compute_dtype == 'float32'
  assert (
    dataclasses.replace(job, precision='float16').compute_dtype == 'float16'
  )


def test_sizes_are_layers_and_hidden_size():
  job = dataclasses.replace(_JOB, size='4/256')
  assert (job.num_layers, job.hidden_size) == (4, 256)
  assert job.title == 'pretraining 4/256'


def test_a_whole_head_is_computed_at_all_positions():
  few = step_flops(_JOB, all_positions=True, whole_head=False)
  all_of_them = step_flops(_JOB, all_positions=True, whole_head=True)
  # Forward and backward; a position of the head: H x H, then H x V.
  per_position = 3 * 2 * (128 * 128 + 128 * 1000)
  assert all_of_them - few == 4 * (16 - 3) * per_position


def test_the_last_layer_may_compute_all_positions():
  few = step_flops(_JOB, all_positions=False, whole_head=False)
  all_of_them = step_flops(_JOB, all_positions=True, whole_head=False)
  # A query takes two H x H kernels, the two H x 4 H kernels, and its scores.
  per_query = 3 * 2 * (2 * 128 * 128 + 2 * 128 * 512 + 2 * 128 * 16)
  # This project computes the 3 masked positions and [CLS].
  assert all_of_them - few == 4 * (16 - 4) * per_query
