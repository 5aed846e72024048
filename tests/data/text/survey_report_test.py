"""Reports of a survey."""

from data.text import survey
from data.text.survey_report import render


def test_inputs_with_problems_are_named(corpus_of):
  contents = {f'f{i}': b'good\n\nx' if i % 2 else b'good' for i in range(50)}
  contents['f0'] = b''
  corpus = corpus_of(contents, min_document_characters=2)
  lines = render(survey.survey(corpus), most_files=3).split('\n')
  assert lines == [
    '49 documents, 0.00 MB of text in 50 inputs; left out: 25 too short; '
    '1 input without any',
    '  f0: no document',
    '  f1: left out: 1 too short (the first: line 3)',
    '  f3: left out: 1 too short (the first: line 3)',
    '  ... and 23 more',
  ]


def test_a_corpus_without_problems_takes_one_line(corpus_of):
  found = survey.survey(corpus_of({'a': b'a' * 10_000_000}))
  assert render(found) == '1 document, 10.00 MB of text in 1 input'
