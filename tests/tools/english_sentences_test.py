"""Where English sentences end."""

from tools import english_sentences


def test_splits_but_not_after_abbreviations():
  text = 'See Fig. A or e.g. Tables. Then (it "ends.") Really? Yes'
  assert english_sentences.split(text) == [
    'See Fig. A or e.g. Tables.',
    'Then (it "ends.")',
    'Really?',
    'Yes',
  ]
