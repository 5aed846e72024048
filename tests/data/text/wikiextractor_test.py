"""Articles of WikiExtractor as documents."""

import pytest

from data.text.document import Document, Rejected
from system.errors import UserError


def test_articles_are_read_without_their_titles(read):
  content = """<doc id="1" url="https://a/b?curid=1" title="A &quot;B&quot;">
A "B"

First.
Ü.
</doc>

<doc id="2" url="" title="C">
Not the title.
C
</doc>
<doc id="3" url="" title="Empty">
Empty
</doc>
""".encode()
  assert read(content, 'wikiextractor') == [
    Document('First.\nÜ.', 10),
    Document('Not the title.\nC', 16),
    Rejected('too_short', 'line 12'),
  ]
  broken = content.replace('Ü'.encode(), b'\xff')
  assert read(broken, 'wikiextractor')[0] == Rejected('not_utf8', 'line 5')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('\na\n', "line 2: expected <doc ...>, found 'a'"),
    ('<doc id="1">\na\n', "line 2: expected </doc>, found 'the end of"),
    ('<doc id="1">\n<doc id="2">\n', 'line 2: expected </doc>, found .<doc'),
    ('{"text": "a"}', '`input_format`=jsonl reads WikiExtractor.s --json'),
  ],
)
def test_lines_in_the_wrong_place_are_named(read, content, message):
  with pytest.raises(UserError, match=message):
    read(content.encode(), 'wikiextractor')
