"""One of two ranks of test_ranks.py: trains the LoRA of training_support.py and leaves the weights it ends with.

python ranks.py FOLDER, with the environment that torch.distributed wants.
"""

import os
import sys
from pathlib import Path

import torch
from training_support import trainer

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    one = trainer(folder / "out", steps=9, small_model=True)
    one.train()
    torch.save([parameter.detach() for parameter in one.parameters], folder / f"{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()
