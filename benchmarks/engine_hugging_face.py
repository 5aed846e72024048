"""Training and scoring with Hugging Face's transformers, for `training`.

Training does what their Trainer does by default, without its overhead: fused
AdamW, gradients clipped to 1.0, a linear learning-rate schedule and random
batches. Attention is PyTorch's fused one. In a lower precision, training runs
under autocast; float16 also scales the loss. In scoring, the weights have the
lower precision.

On a GPU, a thread copies the batches there, and batches of texts are padded to
a multiple of 8, as the transformers' documentation advises.

Tested by `tests/benchmarks/training_test.py`.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
import torch
import transformers
from torch.nn import functional

from benchmarks.training_jobs import BenchmarkJob

_DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
_MULTIPLE = 8 if _DEVICE == 'cuda' else 1
_NUM_PREFETCHED = 4
_FIELDS = ('input_ids', 'attention_mask', 'token_type_ids')


def make(job: BenchmarkJob, variant: str) -> Callable[[int], int]:
  """Returns a function: number of steps to run → number of examples.

  Args:
    job: the job.
    variant: for pre-training, 'gathered' computes the masked-LM head at the
      masked positions and 'stock' at all positions. For other jobs, 'padded'
      pads every batch to `max_seq_length` and 'dynamic' to its longest row.
      With '+compiled', `torch.compile` compiles the loss or the logits.
  """
  torch.manual_seed(0)
  torch.backends.cuda.matmul.allow_tf32 = job.precision != 'float32'
  variant, _, compiled = variant.partition('+')
  is_compiled = bool(compiled)
  if job.kind == 'scoring':
    return _scorer(job, is_compiled)
  if job.kind == 'pretraining':
    model = transformers.BertForPreTraining(_config(job))
    loss_of = _gathered_loss if variant == 'gathered' else _stock_loss
    batches = _pretraining_batches(job)
  else:
    model = transformers.BertForSequenceClassification(_config(job))
    is_soft = job.kind == 'distillation'
    loss_of = _soft_loss if is_soft else _hard_loss
    batches = _sentence_batches(job, is_padded=variant == 'padded')
  model = model.to(_DEVICE).train()

  def loss_function(batch):
    return loss_of(model, batch)

  if is_compiled:
    loss_function = torch.compile(loss_function)
  return _trainer(job, model, loss_function, _on_device(batches))


def peak_gpu_megabytes() -> float | None:
  """Returns this process's peak memory on the GPU since the last call.

  It is None without a GPU.
  """
  if _DEVICE == 'cpu':
    return None
  peak = torch.cuda.max_memory_allocated()
  torch.cuda.reset_peak_memory_stats()
  return peak / 1e6


def _wait() -> None:
  if _DEVICE == 'cuda':
    torch.cuda.synchronize()


def _on_device(
  batches: Iterator[dict[str, torch.Tensor]],
) -> Iterator[dict[str, torch.Tensor]]:
  """Copies batches to the GPU, if there is one, ahead of their use."""
  if _DEVICE == 'cpu':
    return batches
  ready = queue.Queue(_NUM_PREFETCHED)

  def copy() -> None:
    for batch in batches:
      ready.put(
        {
          name: value.pin_memory().to(_DEVICE, non_blocking=True)
          for name, value in batch.items()
        }
      )

  threading.Thread(target=copy, daemon=True).start()
  return iter(ready.get, None)


def _config(job: BenchmarkJob) -> transformers.BertConfig:
  return transformers.BertConfig(
    vocab_size=job.vocab_size,
    hidden_size=job.hidden_size,
    num_hidden_layers=job.num_layers,
    num_attention_heads=job.hidden_size // 64,
    intermediate_size=4 * job.hidden_size,
    attn_implementation='sdpa',
  )


def _trainer(
  job: BenchmarkJob, model, loss_function, batches
) -> Callable[[int], int]:
  optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
  schedule = transformers.get_linear_schedule_with_warmup(
    optimizer, 10_000, 1_000_000
  )

  dtype = getattr(torch, job.compute_dtype)
  is_lower = dtype != torch.float32
  # They do nothing unless enabled.
  scaler = torch.amp.GradScaler(_DEVICE, enabled=dtype == torch.float16)
  autocast = torch.autocast(_DEVICE, dtype if is_lower else None, is_lower)

  def run_steps(num_steps: int) -> int:
    for _ in range(num_steps):
      with autocast:
        loss = loss_function(next(batches))
      scaler.scale(loss).backward()
      scaler.unscale_(optimizer)
      torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
      scaler.step(optimizer)
      scaler.update()
      schedule.step()
      optimizer.zero_grad()
    _wait()
    return num_steps * job.batch_size

  return run_steps


def _random_rows(num_rows: int, batch_size: int) -> Iterator[np.ndarray]:
  """Yields random batches of row numbers, epoch after epoch."""
  rng = np.random.default_rng(0)
  while True:
    rows = rng.permutation(num_rows)
    for start in range(0, num_rows - batch_size + 1, batch_size):
      yield rows[start : start + batch_size]


def _pretraining_batches(
  job: BenchmarkJob,
) -> Iterator[dict[str, torch.Tensor]]:
  arrays = {k: v.astype(np.int64) for k, v in np.load(job.arrays).items()}
  for rows in _random_rows(len(arrays['input_ids']), job.batch_size):
    yield {k: torch.from_numpy(v[rows]) for k, v in arrays.items()}


def _sentence_batches(
  job: BenchmarkJob, is_padded: bool
) -> Iterator[dict[str, torch.Tensor]]:
  arrays = dict(np.load(job.arrays))
  arrays['input_ids'] = arrays['input_ids'].astype(np.int64)
  for rows in _random_rows(len(arrays['input_ids']), job.batch_size):
    lengths = arrays['lengths'][rows]
    width = job.max_seq_length
    if not is_padded:
      width = min(width, -(-lengths.max() // _MULTIPLE) * _MULTIPLE)
    yield {
      'input_ids': torch.from_numpy(arrays['input_ids'][rows, :width]),
      'attention_mask': torch.from_numpy(
        (np.arange(width) < lengths[:, np.newaxis]).astype(np.int64)
      ),
      'token_type_ids': torch.zeros([len(rows), width], dtype=torch.int64),
      'labels': torch.from_numpy(arrays['label_ids'][rows]),
      'teacher_logits': torch.from_numpy(arrays['teacher_logits'][rows]),
    }


def _masked_lm_labels(batch) -> torch.Tensor:
  """Returns the masked ids; padding has -100, which the loss ignores."""
  is_padding = batch['masked_lm_weights'] == 0
  return batch['masked_lm_ids'].masked_fill(is_padding, -100)


def _stock_loss(model, batch) -> torch.Tensor:
  labels = torch.full_like(batch['input_ids'], -100)
  # Padding points to position 0, [CLS], which is never masked.
  labels.scatter_(1, batch['masked_lm_positions'], _masked_lm_labels(batch))
  return model(
    input_ids=batch['input_ids'],
    attention_mask=batch['input_mask'],
    token_type_ids=batch['segment_ids'],
    labels=labels,
    next_sentence_label=batch['next_sentence_labels'],
  ).loss


def _gathered_loss(model, batch) -> torch.Tensor:
  sequence, pooled = model.bert(
    input_ids=batch['input_ids'],
    attention_mask=batch['input_mask'],
    token_type_ids=batch['segment_ids'],
    return_dict=False,
  )
  positions = batch['masked_lm_positions'].unsqueeze(-1)
  masked = sequence.gather(1, positions.expand(-1, -1, sequence.shape[-1]))
  logits, next_sentence = model.cls(masked, pooled)
  return functional.cross_entropy(
    logits.view(-1, logits.shape[-1]), _masked_lm_labels(batch).view(-1)
  ) + functional.cross_entropy(next_sentence, batch['next_sentence_labels'])


def _hard_loss(model, batch) -> torch.Tensor:
  inputs = {name: batch[name] for name in _FIELDS}
  return model(**inputs, labels=batch['labels']).loss


def _soft_loss(model, batch) -> torch.Tensor:
  logits = model(**{name: batch[name] for name in _FIELDS}).logits
  return functional.cross_entropy(logits, batch['teacher_logits'].softmax(-1))


def _scorer(job: BenchmarkJob, is_compiled: bool) -> Callable[[int], int]:
  model = transformers.BertForSequenceClassification(_config(job)).eval()
  model = model.to(_DEVICE, getattr(torch, job.compute_dtype))
  tokenizer = transformers.BertTokenizerFast(job.vocab_file)
  with open(job.records) as file:
    texts = json.load(file)

  def logits_of(inputs):
    return model(**inputs).logits

  if is_compiled:
    logits_of = torch.compile(logits_of)

  @torch.inference_mode()
  def score() -> torch.Tensor:
    encoded = tokenizer(texts, truncation=True, max_length=job.max_seq_length)[
      'input_ids'
    ]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    parts = []
    for start in range(0, len(order), job.batch_size):
      rows = order[start : start + job.batch_size]
      inputs = tokenizer.pad(
        {'input_ids': [encoded[i] for i in rows]},
        pad_to_multiple_of=_MULTIPLE,
        return_tensors='pt',
      )
      parts.append(logits_of({**inputs.to(_DEVICE)}))
    logits = torch.empty([len(texts), 2])
    logits[order] = torch.cat(parts).float().cpu()
    return logits

  def run_steps(num_steps: int) -> int:
    for _ in range(num_steps):
      score()
    return num_steps * len(texts)

  return run_steps
