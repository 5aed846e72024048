"""The flags of a corpus: the settings of `CorpusOptions`."""

from typing import TYPE_CHECKING

from cli import flag_group
from data.text.corpus_options import CorpusOptions

if TYPE_CHECKING:
  from data.text.corpus import Corpus


def check() -> None:
  """Checks the flags of a command that does not split sentences.

  Raises:
    UserError: a flag is missing, wrong or without effect; the message names it.
  """
  flag_group.require('input_file')
  flag_group.refuse_without_effect(CorpusOptions)
  flag_group.refuse_if_given(['language'], 'sentences are not split')
  options().check()


def options() -> CorpusOptions:
  """Returns the values of the flags."""
  return flag_group.read(CorpusOptions)


def corpus() -> 'Corpus':
  """Finds the text.

  Raises:
    UserError: no input matches --input_file, or another flag is wrong.
  """
  # It imports NumPy, which --help does not need.
  from data.text.corpus import Corpus

  return Corpus(options())
