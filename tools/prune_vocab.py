r"""Makes a model smaller: keeps the wordpieces that a text uses.

  python -m tools.prune_vocab --init_checkpoint=student \
    --input_file=reviews.txt --heldout_file=heldout.txt --output_dir=pruned

Most weights of a small BERT are the embeddings of wordpieces that its text
never has. The tool tokenises --input_file and keeps the pieces that occur
--min_count times or more, all single characters, and the special tokens; the
others go, with their rows of the word embeddings and of the masked-LM head.
Nothing else changes: on a text of kept pieces the model computes the same.

The model is a checkpoint with its vocab.txt next to it, pre-trained or
fine-tuned, in any form that --init_checkpoint takes. The output is a folder
like that of a run: model.ckpt-<step>, bert_config.json, vocab.txt, model.json,
labels.txt if there are labels, and prune.json, which holds the printed table:
what the smaller vocabulary costs in pieces per word and in [UNK], on the text
and on the held-out text.

Fine-tune or distil a pre-trained model after pruning it. A fine-tuned model can
be used as it is. A pruned student can learn from a teacher with the whole
vocabulary if the dump keeps its texts (--keep_text).
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from cli import corpus_flags, flag_group, script
from data.text.corpus_options import CorpusOptions
from modeling.checkpoints.file_names import VOCAB
from system import files, folders
from system.errors import UserError
from tools import prune_output

if TYPE_CHECKING:
  from data.text.corpus import Corpus
  from modeling.checkpoints.location import Checkpoint

FLAGS = flags.FLAGS

REPORT = 'prune.json'


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(CorpusOptions)
  flags.DEFINE_string(
    'init_checkpoint',
    None,
    'The model: a prefix, a run, or a Hugging Face folder, with its vocab.txt.',
  )
  flags.DEFINE_string('output_dir', None, 'The new folder to write to.')
  flags.DEFINE_string(
    'heldout_file',
    None,
    'Text like --input_file, to measure the cost on text that does not decide '
    'which pieces stay.',
  )
  flags.DEFINE_integer(
    'min_count', 1, 'How often a piece must occur to stay.', lower_bound=1
  )
  flags.DEFINE_bool(
    'do_lower_case',
    None,
    'Whether the model lower-cases its text, if no file next to it says so.',
  )


def prune(
  checkpoint: 'Checkpoint',
  corpora: 'Mapping[str, Corpus]',
  output_dir: str,
  min_count: int = 1,
  do_lower_case: bool | None = None,
) -> dict[str, Any]:
  """Writes a smaller model.

  Args:
    checkpoint: the model.
    corpora: name → text; the first one chooses the pieces, and the cost is
      measured on each.
    output_dir: a new or empty folder.
    min_count: how often a piece must occur to stay.
    do_lower_case: whether its text is lower-cased; None if a file next to the
      model says so.

  Returns:
    The content of prune.json.

  Raises:
    UserError: the model lacks its vocabulary or configuration, does not fit it
      or is damaged; its casing is unknown, or contradicts what is given; or a
      text cannot be read.
  """
  from data.text import vocabulary_fit, vocabulary_pruning
  from data.text.tokenization import BertTokenizer
  from data.text.vocabulary import Vocabulary
  from modeling.checkpoints import pruning, stored_weights

  config = checkpoint.required_config()
  if (vocab_file := checkpoint.vocab_file) is None:
    raise UserError(f'there is no {VOCAB} next to {checkpoint.prefix}')
  do_lower_case = checkpoint.casing_or(do_lower_case)
  if do_lower_case is None:
    raise UserError(
      f'no file next to {checkpoint.prefix} says whether its text is '
      'lower-cased: give --do_lower_case or --nodo_lower_case'
    )
  before = BertTokenizer(vocab_file, do_lower_case)
  weights = stored_weights.read_weights(checkpoint)
  first, *others = corpora
  fit, counts = vocabulary_fit.check_and_count(corpora[first], before)
  ids = vocabulary_pruning.kept(before.tokens, counts, min_count)
  smaller = pruning.prune(weights, ids, before.vocab_size)
  after = BertTokenizer(
    Vocabulary([before.tokens[i] for i in ids]), before.do_lower_case
  )
  fits = {first: fit}
  fits |= {name: vocabulary_fit.check(corpora[name], before) for name in others}
  report = {
    'made_from': checkpoint.prefix,
    'min_count': min_count,
    'tokens': {'before': before.vocab_size, 'after': after.vocab_size},
    'weights': {'before': _size(weights), 'after': _size(smaller)},
    'texts': {
      name: {
        'before': _cost(fits[name]),
        'after': _cost(vocabulary_fit.check(corpus, after)),
      }
      for name, corpus in corpora.items()
    },
  }
  config = dataclasses.replace(config, vocab_size=after.vocab_size)
  _check_output(output_dir)
  with folders.filled(output_dir) as folder:
    prune_output.write(folder, checkpoint, smaller, config, after)
    files.write_json(os.path.join(folder, REPORT), report)
  return report


def _size(weights: Mapping[str, Any]) -> int:
  return sum(value.size for value in weights.values())


def _cost(fit: Mapping[str, Any]) -> dict[str, float]:
  """Returns the part of a text's statistics that the vocabulary decides."""
  names = (
    *('words', 'wordpieces', 'wordpieces_per_word', 'unknown_words'),
    'unknown_word_share',
  )
  return {name: fit[name] for name in names}


def _corpora() -> 'dict[str, Corpus]':
  """Returns the texts by the flags that name them."""
  from data.text.corpus import Corpus

  options = corpus_flags.options()
  corpora = {'input_file': corpus_flags.corpus()}
  if FLAGS.heldout_file:
    heldout = dataclasses.replace(options, input_file=FLAGS.heldout_file)
    corpora['heldout_file'] = Corpus(heldout)
  return corpora


def _check_output(folder: str) -> None:
  """Raises a `UserError` if a folder is not new or empty, or not writable."""
  if files.exists(folder) and (
    not files.is_folder(folder) or files.list_folder(folder)
  ):
    raise UserError(f'--output_dir={folder} exists; give a new folder')
  files.make_folder(os.path.dirname(files.real_path(folder).rstrip('/')))


def main(_: Sequence[str]) -> None:
  """Writes the smaller model and prints the table."""
  flag_group.require('init_checkpoint', 'input_file', 'output_dir')
  corpus_flags.check()
  _check_output(FLAGS.output_dir)
  corpora = _corpora()
  from modeling.checkpoints.location import locate

  report = prune(
    locate(FLAGS.init_checkpoint),
    corpora,
    FLAGS.output_dir,
    FLAGS.min_count,
    FLAGS.do_lower_case,
  )
  script.show(prune_output.render(report))


if __name__ == '__main__':
  define_flags()
  script.run(main)
