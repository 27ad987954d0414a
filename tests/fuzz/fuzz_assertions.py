"""Flag -> the package without its assertions, as `python -O` compiles it, while the checks of these scripts stay."""

import sys
from importlib.machinery import SourceFileLoader
from types import CodeType

NO_ASSERTIONS = "--no-assertions"
USUAL = SourceFileLoader.get_code


def code_of(self: SourceFileLoader, fullname: str) -> CodeType | None:
    """Code of a module, of the package without assertions."""
    if fullname.partition(".")[0] != "talkface":
        return USUAL(self, fullname)
    path = self.get_filename(fullname)
    return compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=1)


if NO_ASSERTIONS in sys.argv:
    SourceFileLoader.get_code = code_of  # type: ignore[method-assign]
