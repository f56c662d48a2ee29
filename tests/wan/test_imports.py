"""Importing the backbone loads nothing heavy."""

import subprocess
import sys


def test_importing_the_package_imports_neither_torch_nor_diffusers():
    code = (
        "import sys, storymem_backbones.wan as w, storymem_backbones.wan.register, storymem_backbones.wan.estimate; "
        "dir(w); "
        "heavy = {'torch', 'diffusers', 'transformers', 'peft', 'huggingface_hub'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    from storymem_backbones import wan

    assert sorted(wan.__all__) == sorted(wan._PUBLIC)
    assert all(getattr(wan, name) is not None for name in wan.__all__)
