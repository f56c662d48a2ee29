"""The embedded model's tokenizer: concept rules as normalisation, one token a concept.

The rules are part of the saved tokenizer file, so any prompt in plain words becomes a handful of concept
tokens through `transformers` alone; words without meaning leave nothing behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from storymem_backbones.storyworld.concepts import TOKENS, rules

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
VOCABULARY = {token: index for index, token in enumerate((PAD, END, UNKNOWN, *TOKENS))}
_MARK = "\N{SECTION SIGN}"


def _core() -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    steps = [normalizers.Lowercase(), normalizers.Replace(_MARK, " "), normalizers.Replace("\u2019", "'")]
    steps += [normalizers.Replace(Regex(pattern), token) for pattern, token in rules()]
    steps.append(normalizers.Replace(Regex(rf"(?:^|{_MARK}[^\w{_MARK}])[^{_MARK}]*"), " "))
    steps.append(normalizers.Replace(_MARK, " "))
    core = Tokenizer(models.WordLevel(VOCABULARY, unk_token=UNKNOWN))
    core.normalizer = normalizers.Sequence(steps)
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, VOCABULARY[END])]
    )
    return core


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer: pad 0, end 1, unknown 2 (never produced), then one token for each concept."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=_core(), pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=512
    )


def save_tokenizer(folder: Path) -> None:
    """Write the tokenizer as a folder that `AutoTokenizer.from_pretrained` loads."""
    build_tokenizer().save_pretrained(str(folder))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
