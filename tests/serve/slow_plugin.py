"""A backbone that takes its time: the framework's own fake one, under a name."""

from storymem.plugin import Register, hookimpl
from storymem.testing import FakeBackbone


@hookimpl
def storymem_backbones(register: Register) -> None:
    register("slow", FakeBackbone)
