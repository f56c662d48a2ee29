"""Models that put pictures and sentences into one space, behind :class:`storymem.interfaces.ImageTextEncoder`."""
