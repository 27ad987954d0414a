"""Files of published corpora, as small as their adapters allow."""

import struct
import wave
from pathlib import Path

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:10dc3fd1f2bc8203657431598bd7dc93\nsize 265922\n"
LRW_TEXT = (
    "Disk reference: 624\nChannel: BBC ONE\nProgramme start: 1462924740\nClip start: 5.1\nDuration: 0.50 seconds\n"
)
LRS3_TEXT = "Text:  WE CAN DO IT\nConf:  5\nRef: abc\n\nFRAME X Y W H\n000000 0.2 0.2 0.2 0.3\n"
LRS3_PRETRAIN = (
    "Text:  SO THE IDEA\nConf:  4\n\nWORD START END ASDSCORE\nSO 0.15 0.30 7.5\nTHE 0.30 0.41 8.8\nIDEA 0.41 0.9 9\n"
)
VOX2_TEXT = "Identity  : \tid00012\nOffset    : \t-2\nFV Conf   : \t20.3\t(1)\nASD Conf  : \t5.1\n\nFRAME \tX\n"


def put(path: Path, content: bytes | str = b"not empty") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def put_wave(path: Path, seconds: float, rate: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", 0) * round(seconds * rate))
    return path
