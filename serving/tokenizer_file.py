"""The tokenizer of an export, tokenizer.json, as `tokenizers` runs it.

Does not import TensorFlow.

Tested by `tests/serving/onnx_model_test.py`.
"""

import os
from collections.abc import Sequence

from serving.model import Text
from system import files
from system.errors import UserError, reason_of

NAME = 'tokenizer.json'
PACKAGE = 'tokenizers'


class TokenizerFile:
  """A tokenizer.

  Attributes:
    pad_id: the id of [PAD].
  """

  def __init__(self, folder: str, longest: int):
    """Reads a folder's file.

    Args:
      folder: the export's.
      longest: the maximum input length in tokens; longer texts are cut.

    Raises:
      UserError: the file is damaged.
    """
    import tokenizers

    path = os.path.join(folder, NAME)
    content = files.read_text(path)
    try:
      self._tokenizer = tokenizers.Tokenizer.from_str(content)
    # The package raises `Exception` itself.
    except Exception as error:
      raise UserError(f'{path} is damaged: {reason_of(error)}') from error
    self._tokenizer.enable_truncation(longest)
    self._tokenizer.no_padding()
    self.pad_id = self._tokenizer.token_to_id('[PAD]') or 0

  def encode(
    self, texts: Sequence[Text], are_pairs: bool
  ) -> tuple[list[list[int]], list[list[int]]]:
    """Returns the ids and the segments of texts or pairs, without padding."""
    encoded = self._tokenizer.encode_batch(
      [tuple(text) if are_pairs else text for text in texts]
    )
    return [each.ids for each in encoded], [each.type_ids for each in encoded]
