"""Which model, and where its weights come from."""

import dataclasses
import functools
import os

from absl import flags, logging

from cli.flag_group import refuse_if_given
from cli.vocabulary_flags import check_beside
from system.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define() -> None:
  """Which model, where it starts and where it goes."""
  flags.DEFINE_string(
    'bert_config_file',
    None,
    'The bert_config.json of the model. Either this or --bert_size.',
  )
  flags.DEFINE_string(
    'bert_size',
    None,
    'Added: one of the 24 compact sizes as layers/hidden, "2/128" to "12/768", '
    'or tiny, mini, small, medium, base. Instead of --bert_config_file.',
  )
  flags.DEFINE_float(
    'initializer_range',
    None,
    'Added: with --bert_size, the standard deviation of the random initial '
    'weights, 0.02 as released where not given. A narrow model that is '
    'trained briefly learns faster with more.',
    lower_bound=0.0,
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    'The folder for checkpoints, results and logs. A run that was stopped '
    'goes on from here.',
  )
  flags.DEFINE_string(
    'init_checkpoint',
    None,
    'The checkpoint to start from: a prefix (".../bert_model.ckpt"), the '
    'folder that holds it, or a Hugging Face folder (config.json, vocab.txt, '
    'model.safetensors). Random weights where it is not given.',
  )
  flags.DEFINE_enum(
    'init',
    'all',
    ['all', 'bottom_layers', 'every_kth_layer', 'word_embeddings'],
    'Added: how much of --init_checkpoint a run starts from. all: everything; '
    'bottom_layers: of a deeper checkpoint of the same width the layers next '
    'to the embeddings; every_kth_layer: of one k times as deep its layers k, '
    '2k, ...; word_embeddings: these alone, all else is random.',
  )
  flags.DEFINE_bool(
    'extend_positions',
    False,
    'Added: whether the model may have more positions than --init_checkpoint, '
    'or than its configuration says where --max_seq_length is longer. Those '
    'that there are stay, the others start from random weights.',
  )
  flags.DEFINE_integer(
    'max_seq_length',
    128,
    'The longest input in wordpieces, [CLS] and [SEP] included. Longer texts '
    'are cut, records of another length are refused.',
    lower_bound=3,
  )


def bert_config(vocab_size: int | None, is_pair: bool = False):
  """Returns the `BertConfig` of --bert_config_file or --bert_size.

  Where neither is given, it is that beside --init_checkpoint. With
  --extend_positions it has --max_seq_length positions at least.

  Args:
    vocab_size: of the vocabulary, if there is one; --bert_size needs it, and
      a --bert_config_file must agree with it.
    is_pair: whether the task has pairs of texts.

  Raises:
    UserError: both flags are given, or there is no configuration at all, or
      as `check_fit`.
  """
  from modeling import configs
  from modeling.checkpoints import location

  if not FLAGS.bert_size:
    refuse_if_given(['initializer_range'], '--bert_size is not given')
  beside = None
  if FLAGS.init_checkpoint and not (FLAGS.bert_config_file or FLAGS.bert_size):
    beside = location.config_beside(location.resolve(FLAGS.init_checkpoint))
  if FLAGS.bert_config_file and FLAGS.bert_size:
    raise UserError(
      'give either --bert_config_file or --bert_size, not both; received '
      f'{FLAGS.bert_config_file!r} and {FLAGS.bert_size!r}'
    )
  if not (beside or FLAGS.bert_config_file or FLAGS.bert_size):
    raise UserError(
      'give --bert_size or --bert_config_file, or an '
      '--init_checkpoint whose folder has its configuration'
    )
  if beside:
    path, config = beside
    logging.info('The configuration is that of %s.', path)
  elif FLAGS.bert_size:
    if vocab_size is None:
      raise UserError('--bert_size needs --vocab_file, for its size')
    config = configs.compact_config(FLAGS.bert_size, vocab_size)
    if FLAGS.initializer_range is not None:
      config = dataclasses.replace(
        config, initializer_range=FLAGS.initializer_range
      )
  else:
    config = configs.BertConfig.from_json_file(FLAGS.bert_config_file)
  config = _with_positions(config)
  check_fit(
    config, config.vocab_size if vocab_size is None else vocab_size, is_pair
  )
  return config


def _with_positions(config):
  """Raises a configuration's number of positions, if --extend_positions."""
  number = config.max_position_embeddings
  if FLAGS.max_seq_length <= number:
    if not FLAGS.init_checkpoint:
      refuse_if_given(
        ['extend_positions'],
        f'the model has {number} positions, and --max_seq_length='
        f'{FLAGS.max_seq_length} needs no more',
      )
    return config
  if not FLAGS.extend_positions:
    raise UserError(
      f"--max_seq_length={FLAGS.max_seq_length} is more than the model's "
      f'{number} positions (max_position_embeddings). --extend_positions adds '
      'positions to it.'
    )
  logging.info(
    'max_position_embeddings is raised from %d to %d (--extend_positions).',
    number,
    FLAGS.max_seq_length,
  )
  return dataclasses.replace(
    config, max_position_embeddings=FLAGS.max_seq_length
  )


def check_fit(config, vocab_size: int, is_pair: bool) -> None:
  """Checks that a model goes with the vocabulary, the lengths and the task.

  Args:
    config: its `BertConfig`.
    vocab_size: of --vocab_file.
    is_pair: whether the task has pairs of texts, and so two segments.

  Raises:
    UserError: it does not; both numbers are told.
  """
  if vocab_size != config.vocab_size:
    raise UserError(
      f"{FLAGS.vocab_file} has {vocab_size} entries, the model's "
      f'bert_config.json says vocab_size {config.vocab_size}: they do not '
      'belong together'
    )
  if FLAGS.max_seq_length > config.max_position_embeddings:
    raise UserError(
      f"--max_seq_length={FLAGS.max_seq_length} is more than the model's "
      f'{config.max_position_embeddings} positions (max_position_embeddings)'
    )
  if is_pair and config.type_vocab_size < 2:
    raise UserError(
      f'{FLAGS.task_name} has pairs, whose second texts are segment 1: the '
      f"model's type_vocab_size is {config.type_vocab_size}, expected 2 or more"
    )


def check_init_checkpoint(
  config, vocabulary: str | None = None, has_casing: bool = True
) -> None:
  """Checks what can be told of --init_checkpoint before a model is built.

  Args:
    config: the model's `BertConfig`.
    vocabulary: the checksum of --vocab_file, if there is one.
    has_casing: whether the script reads text, as --do_lower_case says.

  Raises:
    UserError: there is no such checkpoint, --init cannot take from it what the
      model needs, or the files beside it say another activation, number of
      heads, vocabulary or casing.
  """
  from modeling.checkpoints import initialisation, loading, location

  if not FLAGS.init_checkpoint:
    return
  prefix = location.resolve(FLAGS.init_checkpoint)
  loading.check_start(prefix, config, FLAGS.init, FLAGS.extend_positions)
  check_beside(prefix, vocabulary, has_casing, 'init_checkpoint')
  beside = location.config_beside(prefix)
  if beside and FLAGS.init != initialisation.WORD_EMBEDDINGS:
    config_file, theirs = beside
    for key in ('hidden_act', 'num_attention_heads', 'intermediate_size'):
      if getattr(theirs, key) != getattr(config, key):
        raise UserError(
          f'{config_file} says {key} {getattr(theirs, key)}, the model has '
          f'{getattr(config, key)}'
        )


def trained_checkpoint(
  vocabulary: str | None = None, has_casing: bool = True
) -> str:
  """Returns the checkpoint to evaluate, and says which.

  It is, in order of precedence: 1. the best of the run in --output_dir, if
  that was trained with --eval_steps; 2. the run's last; 3. --init_checkpoint.

  Args:
    vocabulary: the checksum of --vocab_file, if there is one.
    has_casing: whether the script reads text, as --do_lower_case says.

  Raises:
    UserError: there is none, or the files beside it say another vocabulary or
      casing.
  """
  from modeling.checkpoints import location
  from system import files
  from training import best_checkpoint

  flag = 'output_dir'
  if best_checkpoint.exists(FLAGS.output_dir):
    prefix = location.resolve(best_checkpoint.folder(FLAGS.output_dir))
    logging.info('The best checkpoint of the run is taken: %s', prefix)
  elif files.exists(os.path.join(FLAGS.output_dir, 'checkpoint')):
    prefix = location.resolve(FLAGS.output_dir)
  elif FLAGS.init_checkpoint:
    flag, prefix = (
      'init_checkpoint',
      location.resolve(FLAGS.init_checkpoint),
    )
  else:
    raise UserError(
      f'there is nothing to evaluate: no checkpoint in {FLAGS.output_dir}, '
      'and --init_checkpoint is not given'
    )
  check_beside(prefix, vocabulary, has_casing, flag)
  return prefix


def make_output_dir() -> None:
  """Makes --output_dir and checks that the chief can write there."""
  from devices import workers
  from system import files

  workers.chief_does(lambda: files.make_folder(FLAGS.output_dir))
