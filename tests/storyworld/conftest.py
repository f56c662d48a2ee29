"""Loads what sets environment variables when it is first imported, before any test begins."""

import os

import torch._dynamo  # noqa: F401  (an optimizer's first step imports it)

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
