"""The page in Markdown."""

import tiny_results
from tiny_results import PAPER

from tools.reporting import markdown


def test_the_page_of_one_experiment(tmp_path):
  found = tiny_results.arrange(
    tmp_path, paper=PAPER, paper_source='Table 1', notes=['A note.']
  )
  text = markdown.build([found])
  assert text.startswith('# Sizes & methods\n\nWhich is best?\n\n5 runs in 1 ')
  assert '\n\n![accuracy by size and method. ' in text
  assert '](sizes.svg)\n\nMarks are means over seeds. ' in text
  assert 'paper’s (Table 1).\n\nA note.\n\n| size   |  ' in text
  assert '\n\nMissing, no result yet: 12/768, PD.\n\n' in text
  assert text.endswith('\n\n```shell\nrecipes/sizes.sh <DIR>\n```\n')
  assert '\n\n\n' not in text


def test_several_experiments_are_sections(tmp_path):
  found = tiny_results.arrange(tmp_path)
  text = markdown.build([found, found])
  assert text.startswith('# Results\n\n10 runs in 2 experiments')
  assert text.count('\n## Sizes & methods\n') == 2


def test_the_tables_alone(tmp_path):
  found = tiny_results.arrange(tmp_path)
  first, second, missing = markdown.tables_of(found).split('\n\n')
  assert first.startswith('| size   |  ')
  assert second.startswith('| size   | method  | dev accuracy |')
  assert missing == 'Missing, no result yet: 12/768, PD.\n'
