"""benchmarks/training.py --profile: which operations count, and as what."""

import os

import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import training_profile


@pytest.mark.parametrize(
  'operation, kind',
  [
    ('while/body/_1/layer_norm/MatMul_1:_MklMatMul', 'matrix products'),
    ('a/dense/BiasAdd_2:_MklNativeFusedMatMul', 'matrix products'),
    ('while/body/_1/optimizer/mul_12:Mul', 'optimizer'),
    ('gradient_tape/encoder/layer_norm/mul_2/Sum:Sum', 'LayerNorm'),
    ('while/body/_1/SelectV2_5:SelectV2', 'dropout'),
    ('a/self_attention/transpose_2:_MklTranspose', 'transposing'),
    ('while/body/_1/AddN_30:AddN', "embeddings' gradients"),
    ('a/b:Pack', 'other operations'),
  ],
)
def test_an_operation_counts_as_one_kind(operation, kind):
  assert training_profile._kind(operation) == kind


def test_what_another_operation_runs_does_not_count_twice(tmp_path):
  space = xplane_pb2.XSpace()
  plane = space.planes.add(name='/host:CPU')
  events = [
    ('EagerExecute', 0, 100),  # No operation: what it runs counts.
    ('a/MatMul:_MklMatMul', 10, 30),
    ('ParallelFor', 12, 20),
    ('b/Mul:Mul', 15, 5),
    ('c/Mul:Mul', 40, 7),
    ('Iterator::Root::Map', 50, 9),
  ]
  line = plane.lines.add()
  for number, (name, offset, duration) in enumerate(reversed(events)):
    plane.event_metadata[number].name = name
    line.events.add(metadata_id=number, offset_ps=offset, duration_ps=duration)
  # A device's plane, and a thread of its own with an operation of its own.
  space.planes.add().CopyFrom(plane)
  space.planes[1].name = '/device:GPU:0'
  second = plane.lines.add()
  second.events.add(metadata_id=1, offset_ps=11, duration_ps=3)
  folder = tmp_path / 'plugins/profile/now'
  os.makedirs(folder)
  (folder / 'host.xplane.pb').write_bytes(space.SerializeToString())
  found = [
    (name, round(seconds * 1e12))
    for name, seconds in training_profile._operations(str(tmp_path))
  ]
  assert found == [
    ('a/MatMul:_MklMatMul', 30),
    ('c/Mul:Mul', 7),
    ('c/Mul:Mul', 3),
  ]
