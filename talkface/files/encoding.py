"""Bytes of a table -> text, whichever program saved it."""

import codecs

from talkface.errors import TalkfaceError

BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's opens with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(content: bytes, where: str, error: type[TalkfaceError]) -> str:
    """Decode UTF-8, UTF-16 or UTF-32, else what Chinese (GB 18030) and Western (Windows-1252) spreadsheets save.

    Raises:
        error: not text.
    """
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None) or _guess(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as cause:
        raise error(f"{where} is not text: save it as UTF-8") from cause
    if "\0" in text:
        raise error(f"{where} holds NUL characters, so it is not text: save it as UTF-8")
    return text


def _guess(content: bytes) -> str:
    """Encoding of text without a byte order mark."""
    looked_at = 4096  # bytes that tell UTF-16 without a mark
    start = content[:looked_at]
    nuls = start[::2].count(0), start[1::2].count(0)
    if max(nuls) > len(start) // 4 and min(nuls) == 0:  # every other byte of ASCII in UTF-16
        return "utf-16-le" if nuls[1] else "utf-16-be"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030" if _looks_chinese(content) else "cp1252"
    return "utf-8"


def _looks_chinese(content: bytes) -> bool:
    """Whether bytes above ASCII come in pairs of GB 2312's characters; accented letters mostly come singly."""
    run = 0
    paired = 0xA1  # lowest byte of GB 2312's pairs
    high = 0x80
    for byte in (*content, 0):
        if byte >= paired:
            run += 1
        elif byte >= high or run % 2:
            return False
        else:
            run = 0
    return True
