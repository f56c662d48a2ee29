"""Text from outside: compared whatever its Unicode form, and made safe for terminals and XML.

Scripts, servers and file names may hold any character. A terminal obeys some of them, and the same letter has
several spellings in Unicode (NFC, NFD, full width); both are handled here and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata

# What a terminal obeys: escape sequences as a whole, then single controls. Tab and line feed are text. Marks that
# reorder what is shown (bidirectional overrides and isolates) hide what a line says; lone surrogates have no bytes.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS and other strings
    r"|\x1b[ -/]*[0-~]"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def composed(text: str) -> str:
    """Return ``text`` in NFC, the form in which names are kept and compared."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return ``text`` as search compares it: compatibility forms unified (NFKC), without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def printable(text: str) -> str:
    """Return ``text`` without anything that a terminal would obey; tabs and line feeds stay."""
    return _SEQUENCE.sub("", text)


def one_line(text: str) -> str:
    """Return ``text`` as one printable line."""
    return " ".join(printable(text).split())


def xml_text(text: str) -> str:
    """Return ``text`` with U+FFFD for each character that an XML document cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
