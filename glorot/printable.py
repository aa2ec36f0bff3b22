"""Which text can be shown as it is: all but control characters and ends of lines, which a terminal or a table would
obey. Whatever else Unicode has is somebody's language: joiners of Persian and of emoji, spaces that do not break."""

import unicodedata

REFUSED = ("Cc", "Zl", "Zp")  # Unicode's categories


def is_printable(text: str) -> bool:
    return text.isprintable() or not any(unicodedata.category(one) in REFUSED for one in text)


def printable(text: str) -> str:
    """The text with escapes in place of control characters, and of bytes of a path that are no UTF-8."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if is_printable(text):
        return text
    return "".join(one if is_printable(one) else one.encode("unicode_escape").decode("ascii") for one in text)
