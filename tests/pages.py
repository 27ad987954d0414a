"""README and its pages as the tests read them: their text, their code blocks and the commands in those."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("animate", "training", "earlier_systems"))]
TEXT = "".join(page.read_text(encoding="utf-8") for page in PAGES)
WEIGHTS = ROOT / "talkface" / "weights"


def code_blocks(*languages: str) -> list[str]:
    """Insides of the fenced blocks in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [inside for language, inside in found if language in languages]


def commands_in(blocks: str) -> list[str]:
    """`talkface ...` lines of shell blocks, comments cut off and continued lines joined."""
    lines = blocks.replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].removeprefix("$ ").strip() for line in lines if "talkface " in line.split("#")[0]]
