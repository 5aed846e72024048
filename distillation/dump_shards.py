"""A logits dump's shards: TFRecord files of features and teacher logits.

Tested by `tests/distillation/logits_dump_test.py`.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.records import (
  file_names,
  proto_features,
  record_index,
  record_reader,
  record_writer,
)
from data.records.feature_spec import (
  LOGITS_DUMP,
  LOGITS_DUMP_LABEL,
  LOGITS_DUMP_NUMBER,
  Field,
  cls_states_field,
)
from data.tasks.task import Task
from distillation.dump_manifest import Shard
from system import files
from system.errors import UserError

_LABELS_AT_ONCE = 4096
_STATES = cls_states_field(0).name


class Row(NamedTuple):
  """One example of a dump. Records hold the tokens without padding."""

  example_id: str
  input_ids: np.ndarray  # int [(tokens)], with [CLS] and [SEP].
  segment_ids: np.ndarray  # int [(tokens)].
  teacher_logits: np.ndarray  # float32 [C].
  label: int | float | None = None
  text_a: str | None = None  # None if the dump keeps no text.
  text_b: str | None = None
  cls_states: np.ndarray | None = None  # float32 [M*H]; None without states.


def record_fields(
  task: Task, with_labels: bool = False, num_state_values: int = 0
) -> tuple[Field, ...]:
  """Returns the fields of a dump's records that training reads.

  Args:
    task: decides whether labels are classes or numbers.
    with_labels: whether to read the labels.
    num_state_values: M*H of the [CLS] states; 0 does not read them.
  """
  fields = LOGITS_DUMP
  if with_labels:
    label = LOGITS_DUMP_NUMBER if task.is_regression else LOGITS_DUMP_LABEL
    fields = (*fields, label)
  if num_state_values:
    fields = (*fields, cls_states_field(num_state_values))
  return fields


def paths(dump_dir: str, num_shards: int) -> list[str]:
  """Returns the paths of a dump's shards."""
  return file_names.shard_names(os.path.join(dump_dir, 'logits'), num_shards)


def write(path: str, rows: Iterable[Row], is_regression: bool) -> None:
  """Writes one shard.

  Args:
    path: the shard's.
    rows: its examples.
    is_regression: whether labels are numbers; a missing label is then NaN,
      otherwise -1.
  """
  with record_writer.RecordWriter(path) as writer:
    for row in rows:
      features = {
        'input_ids': proto_features.int64_feature(row.input_ids),
        'segment_ids': proto_features.int64_feature(row.segment_ids),
        'teacher_logits': proto_features.float_feature(
          row.teacher_logits.tolist()
        ),
        'example_id': proto_features.bytes_feature(row.example_id.encode()),
        'label_ids': _label_feature(row.label, is_regression),
      }
      for name in ('text_a', 'text_b'):
        if (text := getattr(row, name)) is not None:
          features[name] = proto_features.bytes_feature(text.encode())
      if row.cls_states is not None:
        features[_STATES] = proto_features.float_feature(
          row.cls_states.tolist()
        )
      example = tf.train.Example(features=tf.train.Features(feature=features))
      writer.write(example.SerializeToString(deterministic=True))


def _label_feature(label, is_regression: bool) -> tf.train.Feature:
  if is_regression:
    return proto_features.float_feature([np.nan if label is None else label])
  return proto_features.int64_feature([-1 if label is None else label])


def read(path: str) -> Iterator[Row]:
  """Yields the examples of one shard.

  Raises:
    UserError: a record is damaged, or is not one of a dump; the message names
      it, from 0.
  """
  for number, raw in enumerate(record_reader.read(path)):
    try:
      row = _row(raw)
    # The module of protobuf's DecodeError differs by version.
    except Exception as error:
      raise UserError(
        f'{path}, record {number}: not a record of a dump: {error}'
      ) from error
    yield row


def count_labelled(path: str, is_regression: bool) -> int:
  """Returns the number of examples of a shard that have a label.

  Raises:
    UserError: a record is damaged, or has no label of the task's kind.
  """
  kind = tf.float32 if is_regression else tf.int64
  spec = {'label_ids': tf.io.FixedLenFeature([], kind)}
  records, count = record_reader.read(path), 0
  while batch := list(itertools.islice(records, _LABELS_AT_ONCE)):
    try:
      labels = tf.io.parse_example(tf.constant(batch), spec)[
        'label_ids'
      ].numpy()
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
      raise UserError(
        f'{path}: a record has no label of the type {kind.name}'
      ) from error
    count += np.count_nonzero(
      ~np.isnan(labels) if is_regression else labels >= 0
    )
  return int(count)


def _row(raw: bytes) -> Row:
  features = tf.train.Example.FromString(raw).features.feature

  def text(name: str) -> str | None:
    value = features[name].bytes_list.value if name in features else None
    return value[0].decode() if value else None

  return Row(
    text('example_id'),
    np.array(features['input_ids'].int64_list.value),
    np.array(features['segment_ids'].int64_list.value),
    np.array(features['teacher_logits'].float_list.value, np.float32),
    _label(features['label_ids']),
    text('text_a'),
    text('text_b'),
    _states(features),
  )


def _states(features: Mapping[str, tf.train.Feature]) -> np.ndarray | None:
  if _STATES not in features:
    return None
  return np.array(features[_STATES].float_list.value, np.float32)


def _label(feature: tf.train.Feature) -> int | float | None:
  for value in feature.int64_list.value:
    return value if value >= 0 else None
  for value in feature.float_list.value:
    return None if np.isnan(value) else value
  return None


def describe(path: str) -> Shard:
  """Returns a shard's entry for the manifest."""
  return Shard(
    os.path.basename(path),
    record_index.load_index(path).num_records,
    files.size(path),
    files.crc_of_ends(path),
  )


def split_rows(values: tf.RaggedTensor) -> list[np.ndarray]:
  """Returns the N rows of a RaggedTensor [N, (tokens)]."""
  flat, splits = values.flat_values.numpy(), values.row_splits.numpy()
  return np.split(flat, splits[1:-1])
