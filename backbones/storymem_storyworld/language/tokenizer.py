"""The embedded model's tokenizer: concept rules as normalisation, one token a concept.

The rules are part of the saved tokenizer file, so any prompt in plain words becomes a handful of concept
tokens through `transformers` alone; words without meaning leave nothing behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from storymem_storyworld.language.concepts import TOKENS, rules

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
_MARK = "\N{SECTION SIGN}"


def vocabulary(end_last: bool = False) -> dict[str, int]:
    """Token ids: padding 0, then end and unknown, then the concepts; or the end token last, as CLIP text towers expect.

    A CLIP text tower takes its answer at the highest id of the text.
    """
    special = (PAD, UNKNOWN) if end_last else (PAD, END, UNKNOWN)
    return {token: index for index, token in enumerate((*special, *TOKENS, *((END,) if end_last else ())))}


def _core(ids: dict[str, int]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    steps = [normalizers.Lowercase(), normalizers.Replace(_MARK, " "), normalizers.Replace("\u2019", "'")]
    steps += [normalizers.Replace(Regex(pattern), token) for pattern, token in rules()]
    steps.append(normalizers.Replace(Regex(rf"(?:^|{_MARK}[^\w{_MARK}])[^{_MARK}]*"), " "))
    steps.append(normalizers.Replace(_MARK, " "))
    core = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    core.normalizer = normalizers.Sequence(steps)
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, ids[END])]
    )
    return core


def build_tokenizer(end_last: bool = False, length: int = 512) -> PreTrainedTokenizerFast:
    """The tokenizer, for at most `length` tokens; the unknown token is never produced. See `vocabulary`."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=_core(vocabulary(end_last)),
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=length,
    )


def save_tokenizer(folder: Path, end_last: bool = False, length: int = 512) -> None:
    """Write the tokenizer as a folder that `AutoTokenizer.from_pretrained` loads."""
    build_tokenizer(end_last, length).save_pretrained(str(folder))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
