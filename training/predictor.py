"""Computes the logits of many examples on all local devices."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from devices.strategies import STATIC_SHAPES, num_scoring_threads
from modeling.models import Classifier
from system import threads, xla
from system.progress import Progress

# `input_ids`, `input_mask` and `segment_ids` of B rows → float32 [B, C].
Score = Callable[[dict[str, tf.Tensor]], tf.Tensor]

_INPUTS = ('input_ids', 'input_mask', 'segment_ids')


class Predictor:
  """Computes a model's logits with one traced function for all calls.

  The local replicas of the strategy in whose scope it was made share the rows
  of each batch.

  Attributes:
    examples_per_second: the rate of the last `predict`, without batches that
      traced or compiled the function; None if there were no others.
  """

  def __init__(self, model: Classifier, score: Score | None = None):
    """Makes a predictor; the first batch traces its function.

    Args:
      model: the model.
      score: computes other outputs than the model's logits, float32 [B, C].
    """
    self.examples_per_second: float | None = None
    self._strategy = strategy = tf.distribute.get_strategy()
    # Other workers' replicas don't count: each worker computes every row.
    local = strategy.experimental_distribute_values_from_function(lambda _: 0)
    self._num_replicas = len(strategy.experimental_local_results(local))

    score = xla.compiled(score or (lambda rows: model(rows)['logits']))

    def logits_of_replica(batch):
      return score(self._replica_rows(batch))

    # A TPU strategy makes a name scope of the function's name, and '<lambda>'
    # is not allowed there.
    def logits(inputs):
      return strategy.run(
        logits_of_replica, args=(inputs,), options=STATIC_SHAPES
      )

    self._num_threads = num_scoring_threads()
    self._compiles = xla.compiles_each_shape()
    # Traced once for all shapes: a trace with known shapes may be optimised,
    # and so round, differently. TPUs need known shapes.
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    any_shape = dict.fromkeys(_INPUTS, tf.TensorSpec([None, None], tf.int32))
    self._logits = tf.function(
      logits,
      None if is_tpu else [any_shape],
      autograph=False,  # It converts the model's code, which takes long.
    )

  def _replica_rows(
    self, batch: Mapping[str, tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    """Returns this replica's rows."""
    rows = batch['input_ids'].shape[0] or tf.shape(batch['input_ids'])[0]
    share = rows // self._num_replicas
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    start = share * (replica % self._num_replicas)
    return {x: tf.slice(batch[x], [start, 0], [share, -1]) for x in _INPUTS}

  def predict(
    self,
    batches: Iterable[Mapping[str, tf.Tensor | np.ndarray]],
    num_examples: int,
    on_progress: Callable[[int], None] | None = None,
  ) -> np.ndarray:
    """Computes the logits of every example once.

    Args:
      batches: as `inference_input.inference_batches` or
        `memory_batches.batches` makes them.
      num_examples: N.
      on_progress: called after each batch with the number of examples done. If
        None, a progress bar is shown.

    Returns:
      float32 [N, C], in the order of the examples.

    Raises:
      RuntimeError: the batches do not hold each example exactly once.
    """
    if on_progress is None:
      with Progress(num_examples, ' examples') as progress:
        return self.predict(batches, num_examples, progress.update)
    rows, outputs = [], []
    seen, timed, seconds = set(), 0, 0.0
    num_done = 0
    batches = iter(batches)
    # The first batch traces the function, so it runs alone. Other batches would
    # wait for it, end together, and make the measured rate too high. Handing it
    # to a thread would take longer than a small model takes for a few texts.
    first = self._with_logits(next(batches))
    with self._mapped(batches) as others:
      before = time.perf_counter()
      for batch, logits in itertools.chain([first], others):
        rows.append(np.asarray(batch['example_index']))
        outputs.append(logits[: len(rows[-1])])
        now = time.perf_counter()
        traced = batch['input_ids'].shape if self._compiles else None
        if traced in seen:
          timed += len(rows[-1])
          seconds += now - before
        before = now
        seen.add(traced)
        num_done += len(rows[-1])
        on_progress(min(num_done, num_examples))
    self.examples_per_second = timed / seconds if seconds else None
    rows, outputs = np.concatenate(rows), np.concatenate(outputs)
    logits = np.empty([num_examples, outputs.shape[1]], np.float32)
    real = rows >= 0
    if np.bincount(rows[real], minlength=num_examples).tolist() != (
      [1] * num_examples
    ):
      raise RuntimeError('an example was not scored exactly once')
    logits[rows[real]] = outputs[real]
    return logits

  @contextlib.contextmanager
  def _mapped(self, batches) -> Iterator[Iterator[tuple]]:
    """Yields the batches with their logits, several computed at once."""
    if self._num_threads == 1:
      # Computed in this thread: a strategy would trace, and a TPU compile, anew
      # in another one.
      yield map(self._with_logits, threads.one_ahead(batches))
      return
    with ThreadPoolExecutor(self._num_threads) as pool:
      yield threads.ordered_map(
        pool, self._num_threads, self._with_logits, batches
      )

  def _with_logits(self, batch):
    return batch, self._batch_logits(batch)

  def _batch_logits(self, batch) -> np.ndarray:
    """Computes the logits of a batch's B rows.

    Rows for padding follow them if the replicas do not divide B.
    """
    missing = -batch['input_ids'].shape[0] % self._num_replicas
    rows = {x: tf.convert_to_tensor(batch[x]) for x in _INPUTS}
    if missing:
      rows = {x: tf.pad(row, [[0, missing], [0, 0]]) for x, row in rows.items()}
    outputs = self._logits(rows)
    return np.concatenate(
      [x.numpy() for x in self._strategy.experimental_local_results(outputs)]
    )
