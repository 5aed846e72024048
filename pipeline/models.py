"""Finds the teacher and the student, and checks that they fit each other.

Reads configurations and vocabularies, no weights. Does not import TensorFlow
for local folders. Tested by `tests/pipeline/models_test.py`.
"""

import dataclasses
import os
from collections.abc import Mapping

from data.tasks import label_order
from data.tasks.labelled import Labelled
from data.text.vocabulary import load_vocabulary
from distillation import dump_manifest
from distillation.dump_manifest import Manifest
from modeling import configs
from modeling.checkpoints import (
  embedded_encoder,
  hugging_face_reader,
  location,
  model_file,
  tokenizer_files,
)
from modeling.checkpoints.location import Checkpoint, locate
from modeling.checkpoints.model_file import TaskRecord
from modeling.configs import BertConfig
from pipeline.options import ModelsOptions, PipelineOptions
from system import text_files
from system.errors import UserError, listed

# Kinds of teachers.
HUGGING_FACE, ENCODER = 'a Hugging Face folder', 'a BERT checkpoint'
FINE_TUNED, DUMP = 'a fine-tuned model', 'a logits dump'


@dataclasses.dataclass(frozen=True)
class Teacher:
  """The teacher.

  Attributes:
    kind: one of the kinds above.
    path: as the user gave it.
    config: the model's; None for a dump.
    tokens: its vocabulary; None if no file next to it has it.
    limit: its maximum input length.
    casing: the file that records the casing, and do_lower_case; None if none.
    manifest: the dump's; None for a model.
    is_converted: whether it is a Hugging Face folder, which is converted first.
    note: a sentence about it for the plan; '' for none.
  """

  kind: str
  path: str
  config: BertConfig | None
  tokens: list[str] | None
  limit: int
  casing: tuple[str, bool] | None
  manifest: Manifest | None = None
  is_converted: bool = False
  note: str = ''

  @property
  def is_trained_here(self) -> bool:
    """Whether the pipeline fine-tunes it."""
    return self.kind in (HUGGING_FACE, ENCODER)


@dataclasses.dataclass(frozen=True)
class Models:
  """The teacher, the student, and the vocabulary that they share.

  Attributes:
    teacher: the teacher.
    student: the student's configuration.
    vocab_file: the path of the vocabulary; None for the one that the import of
      the teacher writes.
    tokens: the vocabulary.
    do_lower_case: whether text is lower-cased.
  """

  teacher: Teacher
  student: BertConfig
  vocab_file: str | None
  tokens: list[str]
  do_lower_case: bool

  @property
  def limit(self) -> int:
    """The maximum input length that both models can read."""
    return min(self.teacher.limit, self.student.max_position_embeddings)


def find(options: PipelineOptions, labelled: Labelled) -> Models:
  """Finds the models and checks them.

  Raises:
    UserError: a file is missing or malformed; the vocabularies, the casing or
      the labels differ; or the student cannot read what a dump holds.
  """
  teacher = _find_teacher(options.models, labelled)
  start = _find_start(options.models)
  vocab_file = options.tokenizer.vocab_file
  if not vocab_file and start:
    vocab_file = start.vocab_file
  tokens = teacher.tokens
  if vocab_file:
    tokens = text_files.read_list(vocab_file)
    _check_same(tokens, vocab_file, teacher)
  elif teacher.config and not teacher.is_converted:
    vocab_file = locate(teacher.path).vocab_file
  if tokens is None:
    raise UserError(
      f'there is no vocab.txt next to {teacher.path} or the student: give '
      '`vocab_file`'
    )
  if options.models.is_embedded:
    _check_embedded(tokens, vocab_file or teacher.path)
  student = _student_config(options.models, start, teacher, len(tokens))
  if labelled.is_pair and student.type_vocab_size < 2:
    raise UserError(
      f'`init_checkpoint` has type_vocab_size {student.type_vocab_size}, '
      'expected 2 or more for pairs'
    )
  casing = _casing(options, teacher, start)
  models = Models(teacher, student, vocab_file, tokens, casing)
  if teacher.manifest:
    _check_dump(teacher.manifest, models, labelled)
  return models


def _find_teacher(options: ModelsOptions, labelled: Labelled) -> Teacher:
  if path := options.logits_dir:
    manifest = dump_manifest.read(path)
    source = os.path.join(path, dump_manifest.FILE_NAME)
    casing = (source, manifest.do_lower_case)
    length = manifest.max_seq_length
    return Teacher(DUMP, path, None, None, length, casing, manifest)
  checkpoint = locate(options.teacher)
  config = checkpoint.required_config()
  is_converted = checkpoint.is_hugging_face
  kind, note = (HUGGING_FACE if is_converted else ENCODER), ''
  limit = config.max_position_embeddings
  recorded = checkpoint.model_record() or model_file.UNKNOWN
  if task := recorded.task or _named_classes(checkpoint, labelled):
    if misfit := _misfit(task, labelled):
      note = f'{misfit}, so it is fine-tuned again'
    else:
      kind, limit = FINE_TUNED, recorded.max_seq_length or limit
  return Teacher(
    kind,
    options.teacher,
    config,
    _tokens(checkpoint),
    limit,
    checkpoint.casing(),
    is_converted=is_converted,
    note=note,
  )


def _named_classes(
  checkpoint: Checkpoint, labelled: Labelled
) -> TaskRecord | None:
  """Returns the task of another program's classifier that names its classes.

  It does not say whether it takes pairs, so it is taken to fit the data.

  Returns:
    None if the model names no classes, or does not label whole texts.
  """
  folder = checkpoint.folder
  if checkpoint.is_hugging_face and hugging_face_reader.other_head(folder):
    return None
  if found := label_order.find(location.label_folders(checkpoint.prefix)):
    return TaskRecord('custom', found[1], labelled.is_pair)
  return None


def _misfit(task: TaskRecord, labelled: Labelled) -> str:
  """Says why a fine-tuned model cannot score the data; '' if it can."""
  if _folded(task.labels) != _folded(labelled.labels):
    return (
      f'its labels are {listed(task.labels) or "numbers"}, those of the data '
      f'{listed(labelled.labels) or "numbers"}'
    )
  if task.is_pair != labelled.is_pair:
    kinds = ('single texts', 'pairs of texts')
    takes, has = kinds[task.is_pair], kinds[labelled.is_pair]
    return f'it takes {takes}, the data has {has}'
  return ''


def _folded(labels: tuple[str, ...]) -> set[str]:
  return {label.casefold() for label in labels}


def _tokens(checkpoint: Checkpoint) -> list[str] | None:
  """Returns the vocabulary next to a checkpoint; None if there is none."""
  if path := checkpoint.vocab_file:
    return text_files.read_list(path)
  if checkpoint.is_hugging_face:
    return tokenizer_files.vocabulary(checkpoint.folder)
  return None


def _find_start(options: ModelsOptions) -> Checkpoint | None:
  """Returns the compact encoder; None for random weights."""
  if options.bert_size:
    configs.check_size(options.bert_size)
    return None
  checkpoint = locate(options.start())
  checkpoint.required_config()
  return checkpoint


def _check_embedded(tokens: list[str], path: str) -> None:
  """Raises a `UserError` if a vocabulary is not the project's encoder's."""
  if not embedded_encoder.has_vocabulary(tokens):
    raise UserError(
      f'{path} has another vocabulary than the BERT-Tiny that comes with this '
      'project. Name the student: `init_checkpoint` or `bert_size`.'
    )


def _check_same(tokens: list[str], path: str, teacher: Teacher) -> None:
  """Raises a `UserError` if a vocabulary is not the teacher's.

  An import adds names for a Hugging Face model's padding ids, so its own file
  may be shorter.
  """
  if teacher.tokens is None:
    return
  theirs = [token.strip() for token in teacher.tokens]
  ours = [token.strip() for token in tokens]
  if teacher.is_converted:
    ours = ours[: len(theirs)]
  if ours != theirs:
    raise UserError(
      f'{path} ({len(tokens):,} tokens) is not the vocabulary of the teacher '
      f'{teacher.path} ({len(theirs):,} tokens): teacher and student share '
      'one'
    )


def _student_config(
  options: ModelsOptions,
  start: Checkpoint | None,
  teacher: Teacher,
  num_tokens: int,
) -> BertConfig:
  """Returns the student's configuration; its vocabulary has the right size."""
  sizes: dict[str, int] = {}
  if teacher.config:
    sizes[teacher.path] = teacher.config.vocab_size
  if teacher.manifest:
    sizes[teacher.path] = teacher.manifest.vocab_size
  if start:
    config = start.config()[1]
    sizes[start.prefix] = config.vocab_size
  else:
    config = configs.compact_config(
      options.bert_size, next(iter(sizes.values()))
    )
  # The import of a Hugging Face folder adds the tokens that are missing.
  if not teacher.is_converted:
    sizes['the vocabulary'] = num_tokens
  _check_equal(sizes)
  return config


def _check_equal(sizes: Mapping[str, int]) -> None:
  if len(set(sizes.values())) > 1:
    found = ', '.join(f'{name}: {size:,}' for name, size in sizes.items())
    raise UserError(
      f'the numbers of tokens differ ({found}): teacher and student must share '
      'one vocabulary'
    )


def _casing(
  options: PipelineOptions, teacher: Teacher, start: Checkpoint | None
) -> bool:
  """Returns whether text is lower-cased; raises a `UserError` if two differ."""
  found = dict(filter(None, [teacher.casing]))
  if start and (own := start.casing()):
    found[own[0]] = own[1]
  if not options.tokenizer.do_lower_case:
    found['`do_lower_case`'] = False
  if len(set(found.values())) > 1:
    both = ', '.join(f'{name} says {value}' for name, value in found.items())
    raise UserError(f'the casing differs: do_lower_case is not one: {both}')
  return next(iter(found.values()), True)


def _check_dump(manifest: Manifest, models: Models, labelled: Labelled) -> None:
  """Raises a `UserError` if a dump fits neither the data nor the vocabulary."""
  vocabulary = load_vocabulary(models.vocab_file)
  if vocabulary.checksum != manifest.vocabulary:
    raise UserError(
      f'{models.vocab_file} is not the vocabulary of the dump '
      f'{models.teacher.path}: student and dump must share one'
    )
  if _folded(tuple(manifest.labels)) != _folded(labelled.labels):
    raise UserError(
      f'the dump {models.teacher.path} has the labels '
      f'{listed(manifest.labels) or "of numbers"}, the data '
      f'{listed(labelled.labels) or "numbers"}'
    )
  positions = models.student.max_position_embeddings
  if manifest.max_seq_length > positions:
    raise UserError(
      f'the inputs of the dump {models.teacher.path} have up to '
      f'{manifest.max_seq_length} tokens, the student reads {positions}'
    )
