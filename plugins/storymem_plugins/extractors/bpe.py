"""CLIP's byte-pair tokens, from OpenAI's published vocabulary file."""

from __future__ import annotations

import gzip
import html
from pathlib import Path

import ftfy
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from storymem.errors import PluginError

_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_START, _END = "<|startoftext|>", "<|endoftext|>"
#: The file's first line is a comment; CLIP takes as many merges as make 49,408 tokens with the bytes, the bytes at the
#: end of a word, and two marks.
_MERGES = 49152 - 256 - 2


class ClipTokenizer:
    """Turns sentences into CLIP's token numbers.

    Args:
        vocabulary: ``bpe_simple_vocab_16e6.txt.gz``.

    Raises:
        PluginError: It is no such file.
    """

    def __init__(self, vocabulary: Path) -> None:
        merges = _merges(vocabulary)
        letters = [*_byte_letters(), *(letter + "</w>" for letter in _byte_letters())]
        words = [*letters, *("".join(merge) for merge in merges), _START, _END]
        self._ids = {word: number for number, word in enumerate(words)}
        model = models.BPE(self._ids, merges, end_of_word_suffix="</w>", fuse_unk=False)
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )

    def __call__(self, text: str, length: int) -> list[int]:
        """Return ``length`` numbers: start, the text cut to fit, end, zeros."""
        clean = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
        inner = self._tokenizer.encode(clean, add_special_tokens=False).ids[: length - 2]
        ids = [self._ids[_START], *inner, self._ids[_END]]
        return ids + [0] * (length - len(ids))

    def __len__(self) -> int:
        return len(self._ids)


def _merges(file: Path) -> list[tuple[str, str]]:
    try:
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
        pairs = [tuple(line.split()) for line in lines[1 : _MERGES + 1] if line.strip()]
    except (OSError, EOFError, ValueError) as error:
        raise PluginError(f"viclip: {file}: cannot be read as CLIP's vocabulary ({error})") from error
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise PluginError(f"viclip: {file}: is not CLIP's vocabulary, which has two parts a line")
    return [(pair[0], pair[1]) for pair in pairs]


def _byte_letters() -> list[str]:
    """Return the letter that stands for each byte, in CLIP's order: printable ones first, as themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
