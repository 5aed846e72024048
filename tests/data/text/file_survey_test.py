"""Surveys as JSON."""

import json
from array import array

from data.text.file_survey import FileSurvey


def test_a_survey_becomes_json_and_back():
  survey = FileSurvey(
    path='a',
    num_documents=2,
    num_bytes=10,
    rejects={'too_short': 1},
    first={'too_short': 'line 4'},
    cut=1,
    checksum='0f',
    duplicates=array('I', [0, 3, 4, 2**32 - 1]),
  )
  values = survey.to_json()
  assert FileSurvey.from_json(json.loads(json.dumps(values))) == survey
  del values['duplicates']
  assert values == {
    'path': 'a',
    'num_documents': 2,
    'num_bytes': 10,
    'rejects': {'too_short': 1},
    'first': {'too_short': 'line 4'},
    'cut': 1,
    'checksum': '0f',
  }


def test_packed_duplicates_take_little_room():
  duplicates = array('I', range(0, 300_000, 3))
  survey = FileSurvey('a', 1, 1, {}, {}, 0, '', duplicates)
  packed = survey.to_json()['duplicates']
  assert packed.isascii()
  assert len(packed) < 2 * len(duplicates)
  assert FileSurvey.from_json(survey.to_json()).duplicates == duplicates
