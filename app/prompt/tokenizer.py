"""CLIP's byte-pair tokenizer: lower case, 49408 tokens, from the vocabulary file that ships beside this module."""

import gzip
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import ftfy
import tokenizers
from tokenizers import Regex, models, pre_tokenizers

START: Final = 49406
END: Final = 49407

_VOCABULARY: Final = Path(__file__).parent / "data" / "bpe_simple_vocab_16e6.txt.gz"
_MERGES: Final = START - 2 * 256
"""CLIP uses the file's first merges only; ids below are bytes, alone and as the end of a word."""

_WORDS: Final = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")
_PLAIN: Final = re.compile(r"[\t\n\r -%'-~]*")
"""ASCII without `&` and control characters: text that needs no repair."""


def _byte_letters() -> Iterator[str]:
    """The letter that stands for each byte, in the order of the vocabulary's first 256 ids: printable bytes first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    yield from map(chr, printable)
    yield from map(chr, range(0x100, 0x200 - len(printable)))


def _pair(line: str) -> tuple[str, str]:
    """The two tokens that a line of the vocabulary merges."""
    first, second = line.split()
    return first, second


def _byte_pairs(path: Path) -> models.BPE:
    """CLIP's merges as a model of `tokenizers`, whose byte letters are the same as CLIP's."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        merges = [_pair(line) for line in islice(file, 1, _MERGES + 1)]  # the first line is the file's version
    letters = list(_byte_letters())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(first + second for first, second in merges), *_SPECIAL]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>")


class Tokenizer:
    """Text to CLIP's token ids; takes a fraction of a second to build, then any thread may use it."""

    def __init__(self) -> None:
        self._tokenizer = tokenizers.Tokenizer(_byte_pairs(_VOCABULARY))
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self._tokenizer.add_special_tokens(list(_SPECIAL))

    def encode(self, text: str) -> list[int]:
        """The ids of `text` without start and end, as many as there are; any string is fine, broken surrogates too."""
        if not _PLAIN.fullmatch(text):
            # CLIP was trained on text repaired this way (curly quotes, full-width letters, entities), and A1111 repairs it too.
            text = ftfy.fix_text(text)
        return list(self._tokenizer.encode(" ".join(text.split()).lower(), add_special_tokens=False).ids)

    def token(self, number: int) -> str:
        """The letters a token id stands for, those of a word's end with `</w>` behind; "" for an id that there is not."""
        return self._tokenizer.id_to_token(number) or ""
